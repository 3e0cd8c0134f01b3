// Typed listeners. An exception in a listener never reaches the code that emitted.
import type { Off } from './types.js'

/** Listeners get exactly the arguments of the event map; `void` results only. */
type Listener<A extends unknown[]> = (...args: A) => void
type ArgsOf<F> = F extends (...args: infer A) => void ? A : never

export interface Emitter<E> {
  on<K extends keyof E>(event: K, fn: E[K], options?: { signal?: AbortSignal }): Off
  emit<K extends keyof E>(event: K, ...args: ArgsOf<E[K]>): void
  clear(): void
}

/** Calls `fn`; what it throws becomes an uncaught error of its own, as with DOM listeners. */
export const guarded = <A extends unknown[]>(fn: Listener<A>, ...args: A): void => {
  try {
    fn(...args)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** Runs `off` when the signal aborts; returns an undo that also forgets the signal. */
export const untilAborted = (off: Off, signal: AbortSignal | undefined): Off => {
  if (!signal) return off
  if (signal.aborted) {
    off()
    return off
  }
  signal.addEventListener('abort', off, { once: true })
  return () => {
    signal.removeEventListener('abort', off)
    off()
  }
}

/** `onCount` hears the total number of listeners after each change: how lazy things wake and sleep. */
export const createEmitter = <E>(onCount?: (total: number) => void): Emitter<E> => {
  const listeners = new Map<keyof E, Set<{ fn: Listener<never[]> }>>()
  let total = 0
  const count = (change: number) => onCount?.((total += change))
  return {
    on: (event, fn, options) => {
      // A wrapper per subscription: the same function may be given twice.
      const entry = { fn: fn as unknown as Listener<never[]> }
      const set = listeners.get(event) ?? new Set()
      listeners.set(event, set.add(entry))
      count(1)
      const off = () => {
        if (set.delete(entry)) count(-1)
      }
      return untilAborted(off, options?.signal)
    },
    emit: (event, ...args) => {
      for (const { fn } of [...(listeners.get(event) ?? [])]) guarded(fn as Listener<unknown[]>, ...args)
    },
    clear: () => {
      for (const set of listeners.values()) set.clear()
      count(-total)
    },
  }
}
