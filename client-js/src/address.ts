// Where the parts of a space are, from the URL of its server.
import { ThexrError } from './errors.js'

export interface Addresses {
  sync: string
  presence: string
  replay: string
  update: string
  origin: string
}

/** What is wrong with the arguments is said at the call, not by a dial that fails for ever. */
const parseUrl = (url: string | URL): URL => {
  const invalid = (message: string, cause?: unknown) =>
    new ThexrError('INVALID', message, {
      help: 'Give the URL of a server, such as http://localhost:4000.',
      cause,
    })
  if (typeof url !== 'string' && !(url instanceof URL)) throw invalid(`the URL is ${String(url)}`)
  let parsed: URL
  try {
    parsed = new URL(url, globalThis.location?.href)
  } catch (cause) {
    throw invalid(`"${String(url)}" is not a URL`, cause)
  }
  // "localhost:4000" is a URL too: its scheme is "localhost".
  if (!/^(https?|wss?):$/.test(parsed.protocol) || !parsed.host)
    throw invalid(`"${String(url)}" does not begin with http:, https:, ws: or wss:`)
  return parsed
}

export const addressesOf = (url: string | URL, space: string): Addresses => {
  if (typeof space !== 'string' || !/^[a-z0-9][a-z0-9_-]{0,63}$/.test(space))
    throw new ThexrError('INVALID', `${JSON.stringify(space)} is not a space id: 1 to 64 of a-z 0-9 _ -`, {
      help: 'Give the id of a space as the second argument.',
    })
  const http = new URL(parseUrl(url))
  http.protocol = http.protocol.replace(/^ws/, 'http')
  http.search = http.hash = ''
  const base = http.href.replace(/\/$/, '')
  const sockets = base.replace(/^http/, 'ws')
  return {
    sync: `${sockets}/sync/${space}`,
    presence: `${sockets}/presence/${space}`,
    replay: `${sockets}/replay/${space}`,
    update: `${base}/api/v1/spaces/${space}/update`,
    origin: http.origin,
  }
}
