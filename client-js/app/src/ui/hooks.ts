// Hooks that turn emitters, media queries and clocks into renders.
import { useEffect, useReducer, useState } from 'preact/hooks'

/** Renders again after `subscribe` reports, once per frame however often it does. */
export function useChanges(
  subscribe: (changed: () => void) => () => void,
  inputs: readonly unknown[],
): number {
  const [count, bump] = useReducer((n: number) => n + 1, 0)
  useEffect(() => {
    let frame = 0
    const off = subscribe(() => {
      // A hidden tab gets no frames, but its title and its tests still want the truth.
      if (document.hidden) bump(undefined as never)
      else
        frame ||= requestAnimationFrame(() => {
          frame = 0
          bump(undefined as never)
        })
    })
    bump(undefined as never) // what changed between the render and this effect
    return () => {
      off()
      cancelAnimationFrame(frame)
    }
  }, inputs as unknown[])
  return count
}

export function useMedia(query: string): boolean {
  const [matches, set] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const follow = () => set(list.matches)
    follow()
    list.addEventListener('change', follow)
    return () => list.removeEventListener('change', follow)
  }, [query])
  return matches
}

/** The time now, renewed every second while `on`. */
export function useClock(on: boolean): number {
  const [now, set] = useState(Date.now)
  useEffect(() => {
    if (!on) return
    set(Date.now())
    const timer = setInterval(() => set(Date.now()), 500)
    return () => clearInterval(timer)
  }, [on])
  return now
}
