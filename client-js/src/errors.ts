// The one error type of the package, and how close codes become errors.

export type ErrorCode =
  | 'DENIED'
  | 'NOT_FOUND'
  | 'INCOMPATIBLE'
  | 'READ_ONLY'
  | 'TOO_LARGE'
  | 'INVALID'
  | 'TOKEN'
  | 'NETWORK'
  | 'STORAGE'
  | 'PROTOCOL'
  | 'REPLACED'

export class ThexrError extends Error {
  readonly code: ErrorCode
  /** The WebSocket close code behind the error. */
  declare readonly closeCode?: number
  /** Whether the client (or you) may try again without changing anything. */
  readonly retryable: boolean
  /** What to do about it, in one sentence. */
  readonly help: string

  constructor(
    code: ErrorCode,
    message: string,
    options: { help?: string; retryable?: boolean; closeCode?: number; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'ThexrError'
    this.code = code
    this.retryable = options.retryable ?? false
    this.help = options.help ?? ''
    if (options.closeCode !== undefined) this.closeCode = options.closeCode
  }
}

const closings: Record<number, readonly [ErrorCode, string]> = {
  1009: ['TOO_LARGE', 'Undo the last edit, then reconnect.'],
  4401: ['TOKEN', 'Give `token` a function that returns a fresh token.'],
  4403: ['DENIED', 'Ask an admin of the space for access.'],
  4404: ['NOT_FOUND', 'Check the name of the space.'],
  4411: ['DENIED', 'An admin removed you; ask before you come back.'],
  4412: ['REPLACED', 'Your copy is kept: see keptCopies() and adopt().'],
  4413: ['TOO_LARGE', 'Undo the last edit, then reconnect.'],
  4426: ['INCOMPATIBLE', 'Update @thexr/client, then load the page again.'],
}

/** 4400–4499 do not come back (y-websocket 3.1); everything else may. */
export const isTerminal = (closeCode: number): boolean => closeCode >= 4400 && closeCode < 4500

export const closeError = (closeCode: number, reason: string): ThexrError => {
  const terminal = isTerminal(closeCode)
  const [code, help] = closings[closeCode] ?? [
    terminal ? 'PROTOCOL' : 'NETWORK',
    terminal ? 'Load the page again; if it happens again, please report it.' : 'The client keeps trying.',
  ]
  return new ThexrError(code, reason || `the server closed the connection (${closeCode})`, {
    help,
    retryable: !terminal,
    closeCode,
  })
}
