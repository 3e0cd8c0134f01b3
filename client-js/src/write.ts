// The one gate every local write passes, so that nothing diverges silently.
import * as Y from 'yjs'
import type { ThexrError } from './errors.js'
import type { INK, LOCAL, UNTRACKED } from './origins.js'
import { STORAGE } from './origins.js'
import type { ChangeSource } from './types.js'

export type WriteOrigin = typeof LOCAL | typeof INK | typeof UNTRACKED

/** Runs `fn` in a transaction. Inside another transaction that one's origin counts. */
export type Write = <T>(fn: () => T, origin: WriteOrigin) => T

/** `refusal` is asked before each write; what it returns is thrown. */
export const createWrite =
  (doc: Y.Doc, refusal: () => ThexrError | null): Write =>
  (fn, origin) => {
    const error = refusal()
    if (error) throw error
    return doc.transact(fn, origin)
  }

export const sourceOf = ({ origin, local }: Y.Transaction): ChangeSource => {
  if (origin === STORAGE) return 'storage'
  if (origin instanceof Y.UndoManager) return 'undo'
  return local ? 'local' : 'remote'
}
