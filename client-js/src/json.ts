// What may be written into the document: names, ids and plain JSON. Everything else is refused with a
// reason, at the call, because the server would refuse it later and without a stack trace.
import { ThexrError } from './errors.js'

// As in schema/src/limits.rs.
const DEPTH_MAX = 16
const KEYS_MAX = 128
const STRING_BYTES_MAX = 16 * 1024
const COMPONENT_JSON_BYTES_MAX = 256 * 1024

const poisoned = new Set(['__proto__', 'constructor', 'prototype'])

const invalid = (message: string): ThexrError =>
  new ThexrError('INVALID', message, { help: 'A component is one plain JSON value under one name.' })

export const checkEntityId = (id: string): string => {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id) || poisoned.has(id))
    throw invalid(`"${id}" is not an entity id: 1 to 64 of A-Z a-z 0-9 _ -`)
  return id
}

export const checkComponentName = (name: PropertyKey): string => {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_.:-]{1,64}$/.test(name) || poisoned.has(name))
    throw invalid(`"${String(name)}" is not a component name: 1 to 64 of A-Z a-z 0-9 _ . : -`)
  return name
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

const copy = (value: unknown, path: string, depth: number): unknown => {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') {
    // A UTF-16 unit takes at most 3 bytes, so short strings need no count.
    if (value.length * 3 > STRING_BYTES_MAX && bytesOf(value) > STRING_BYTES_MAX)
      throw invalid(`${path} is a string of more than ${STRING_BYTES_MAX} bytes`)
    return value
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid(`${path} is ${value}, which JSON cannot hold`)
    return value
  }
  if (typeof value !== 'object') throw invalid(`${path} is a ${typeof value}, which JSON cannot hold`)
  if (depth >= DEPTH_MAX) throw invalid(`${path} is nested deeper than ${DEPTH_MAX} levels`)
  if (Array.isArray(value)) return value.map((item, i) => copy(item, `${path}[${i}]`, depth + 1))
  const proto: unknown = Object.getPrototypeOf(value)
  // Object.prototype of another realm (an iframe) has no prototype of its own either.
  if (proto !== null && Object.getPrototypeOf(proto) !== null)
    throw invalid(`${path} is a ${value.constructor.name}, not a plain object`)
  const out: Record<string, unknown> = {}
  const fields = Object.entries(value)
  if (fields.length > KEYS_MAX) throw invalid(`${path} has more than ${KEYS_MAX} fields`)
  for (const [key, item] of fields) {
    if (poisoned.has(key)) throw invalid(`${path} has a field named "${key}"`)
    if (item !== undefined) out[key] = copy(item, `${path}.${key}`, depth + 1)
  }
  return out
}

/** A copy made of plain JSON, or a ThexrError that names the offending place. */
export const cloneJson = (name: string, value: unknown): unknown => {
  const cloned = copy(value, name, 0)
  const text = JSON.stringify(cloned)
  if (text.length * 3 > COMPONENT_JSON_BYTES_MAX && bytesOf(text) > COMPONENT_JSON_BYTES_MAX)
    throw invalid(`${name} has more than ${COMPONENT_JSON_BYTES_MAX} bytes as JSON`)
  return cloned
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Equality of plain JSON. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  )
}

/** 21 characters of the nanoid alphabet: 126 random bits. */
export const randomId = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .slice(0, 21)
    .replaceAll('+', '-')
    .replaceAll('/', '_')
