// The face of the package; importing it touches no globals.
export { ThexrError } from './errors.js'
export type { ErrorCode } from './errors.js'
export { connect } from './space.js'
export type * from './replay-types.js'
export type * from './types.js'
