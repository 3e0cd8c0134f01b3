// Typed listeners. An exception in a listener never reaches the code that emitted.
import type { Off } from './types.js'

/** Listeners get exactly the arguments of the event map; `void` results only. */
type Listener<A extends unknown[]> = (...args: A) => void
type ArgsOf<F> = F extends (...args: infer A) => void ? A : never

export interface Emitter<E> {
  on<K extends keyof E>(event: K, fn: E[K], options?: { signal?: AbortSignal }): Off
  emit<K extends keyof E>(event: K, ...args: ArgsOf<E[K]>): void
  /** Number of listeners of one event, or of all. */
  count(event?: keyof E): number
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
  // A wrapper per subscription: the same function may be given twice.
  const listeners = new Map<keyof E, Set<{ fn: Listener<never[]> }>>()
  const total = (): number => {
    let sum = 0
    for (const set of listeners.values()) sum += set.size
    return sum
  }
  return {
    on: (event, fn, options) => {
      const entry = { fn: fn as unknown as Listener<never[]> }
      let set = listeners.get(event)
      if (!set) listeners.set(event, (set = new Set()))
      set.add(entry)
      onCount?.(total())
      const off = () => {
        if (listeners.get(event)?.delete(entry)) onCount?.(total())
      }
      return untilAborted(off, options?.signal)
    },
    emit: (event, ...args) => {
      for (const { fn } of [...(listeners.get(event) ?? [])]) guarded(fn as Listener<unknown[]>, ...args)
    },
    count: (event) => (event === undefined ? total() : (listeners.get(event)?.size ?? 0)),
    clear: () => {
      listeners.clear()
      onCount?.(0)
    },
  }
}
