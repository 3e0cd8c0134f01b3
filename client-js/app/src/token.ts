// The access token of this tab. It lives in sessionStorage, so closing the tab forgets it.
const key = 'thexr:token'

export function readToken(): string | null {
  try {
    return sessionStorage.getItem(key)
  } catch {
    return null
  }
}

export function writeToken(token: string): void {
  try {
    if (token) sessionStorage.setItem(key, token)
    else sessionStorage.removeItem(key)
  } catch {
    // Storage is off: the token lasts until the next reload asks for it again.
  }
}
