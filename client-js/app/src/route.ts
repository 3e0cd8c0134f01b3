// Where the page is, kept in the hash: the server answers `/` and nothing below it.
import { useEffect, useState } from 'preact/hooks'

export type Route = { page: 'home' } | { page: 'space'; id: string }

/** What the server accepts as the id of a space. */
export const validId = (id: string): boolean => /^[a-z0-9][a-z0-9_-]{0,63}$/.test(id)

export const hrefOf = (id: string): string => `#/s/${encodeURIComponent(id)}`

export function parseRoute(hash: string): Route {
  const match = /^#\/s\/([^/?]+)/.exec(hash)
  if (!match?.[1]) return { page: 'home' }
  try {
    return { page: 'space', id: decodeURIComponent(match[1]) }
  } catch {
    return { page: 'space', id: match[1] }
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash))
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash))
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return route
}
