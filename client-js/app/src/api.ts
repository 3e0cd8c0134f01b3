// The part of /api/v1 this page uses.
import { readToken } from './token.js'

export interface SpaceInfo {
  id: string
  name?: string | null
  epoch?: string
  seq?: number
  created_at?: string | number
  members?: number
}

export interface Page<T> {
  items: T[]
  next: string | null
}

export class ApiError extends Error {
  /** HTTP status, or 0 when the server did not answer. */
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' }
  const token = readToken()
  if (token) headers.authorization = `Bearer ${token}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      signal,
      body: body === undefined ? null : JSON.stringify(body),
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, 'The server does not answer.')
  }
  const text = await response.text()
  let value: unknown
  try {
    value = text === '' ? undefined : JSON.parse(text)
  } catch {
    throw new ApiError(
      response.status,
      `The server answered ${response.status} with something that is not JSON.`,
    )
  }
  if (!response.ok) {
    const said = (value as { detail?: unknown } | undefined)?.detail
    throw new ApiError(
      response.status,
      typeof said === 'string' ? said : `The server answered ${response.status}.`,
    )
  }
  return value as T
}

export const listSpaces = (after: string | null, signal?: AbortSignal) =>
  call<Page<SpaceInfo>>(
    'GET',
    `/spaces?limit=50${after ? `&after=${encodeURIComponent(after)}` : ''}`,
    undefined,
    signal,
  )

export const createSpace = (wish: { id?: string; name?: string }) => call<SpaceInfo>('POST', '/spaces', wish)

export const getSpace = (id: string, signal?: AbortSignal) =>
  call<SpaceInfo>('GET', `/spaces/${encodeURIComponent(id)}`, undefined, signal)

export const renameSpace = (id: string, name: string) =>
  call<SpaceInfo>('PATCH', `/spaces/${encodeURIComponent(id)}`, { name })
