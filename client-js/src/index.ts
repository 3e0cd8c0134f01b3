export { ThexrError } from './errors.js'
export type { ErrorCode } from './errors.js'
export type * from './types.js'
