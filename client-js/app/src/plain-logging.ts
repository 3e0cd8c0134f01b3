// Stands in for lib0/logging, which yjs uses for three warnings and which brings colours, DOM helpers and a
// schema validator of 9 kB along.
const plain = (parts: unknown[]): unknown[] => parts.filter((part) => typeof part !== 'symbol')

export const BOLD = Symbol()
export const UNBOLD = Symbol()
export const ORANGE = Symbol()
export const RED = Symbol()
export const print = (...parts: unknown[]): void => console.info(...plain(parts))
export const warn = (...parts: unknown[]): void => console.warn(...plain(parts))
