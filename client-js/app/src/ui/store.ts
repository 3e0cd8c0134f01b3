// A value that several components share.
import { useEffect, useState } from 'preact/hooks'

export interface Store<T> {
  get(): T
  set(next: T): void
  use(): T
}

export function createStore<T>(first: T): Store<T> {
  let value = first
  const listeners = new Set<(value: T) => void>()
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const listener of [...listeners]) listener(value)
    },
    use() {
      const [seen, see] = useState(value)
      useEffect(() => {
        const listener = (next: T) => see(() => next)
        listeners.add(listener)
        see(() => value)
        return () => {
          listeners.delete(listener)
        }
      }, [])
      return seen
    },
  }
}
