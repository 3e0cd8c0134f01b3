// Where the page is, kept in the hash: the server answers `/` and nothing below it.
import { useEffect, useState } from 'preact/hooks'

/** `seq` is the moment of the past that is looked at: after that event. */
export type Route = { page: 'home' } | { page: 'space'; id: string; seq?: number }

/** What the server accepts as the id of a space. */
export const validId = (id: string): boolean => /^[a-z0-9][a-z0-9_-]{0,63}$/.test(id)

export const hrefOf = (id: string, seq?: number): string =>
  `#/s/${encodeURIComponent(id)}${seq === undefined ? '' : `/at/${seq}`}`

export function parseRoute(hash: string): Route {
  const match = /^#\/s\/([^/?]+)(?:\/at\/(\d{1,15})(?![^?]))?/.exec(hash)
  if (!match?.[1]) return { page: 'home' }
  const moment = match[2] === undefined ? {} : { seq: Number(match[2]) }
  try {
    return { page: 'space', id: decodeURIComponent(match[1]), ...moment }
  } catch {
    return { page: 'space', id: match[1], ...moment }
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
