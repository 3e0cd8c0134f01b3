// Transaction origins: who made a change, and which undo stack remembers it.

/** Written through the API: on the undo stack of the space. */
export const LOCAL = Symbol('thexr local')
/** Written through the API with `undo: false`. */
export const UNTRACKED = Symbol('thexr untracked')
/** Drawn on a board: on the undo stack of that board. */
export const INK = Symbol('thexr ink')
/** Came from the server. */
export const NETWORK = Symbol('thexr network')
/** Came from the local copy. */
export const STORAGE = Symbol('thexr storage')
