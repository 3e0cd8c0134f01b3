import * as encoding from 'lib0/encoding'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { packPoints, unpackPoints } from '../src/ink.js'
import { cloneJson, checkComponentName, checkEntityId, randomId, sameJson } from '../src/json.js'
import type { Point } from '../src/index.js'
import { readFrame, savedFrame, step1Frame, step2Frame, updateFrame } from '../src/wire.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

/** The golden files of the schema crate; Rust reads the same. */
const fixtures = <T>(name: string): T[] => {
  const file = new URL(`../../schema/fixtures/${name}.json`, import.meta.url)
  // Outside the repository (an unpacked package) they are not there.
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { cases: T[] }).cases : []
}

interface StrokeCase {
  name: string
  hex: string
  points?: [number, number, number][]
  unpacked?: [number, number, number][]
  fault?: unknown
}

describe('strokes are packed as the schema crate packs them (SPEC P1–P4)', () => {
  const pressed = (points: [number, number, number][]): Point[] => points.map(([x, y, p]) => [x, y, p / 255])
  for (const { name, points, hex: packed, unpacked } of fixtures<StrokeCase>('strokes'))
    test(name, () => {
      if (points) expect(hex(packPoints(pressed(points)))).toBe(packed)
      if (unpacked) expect(unpackPoints(bytes(packed))).toEqual(pressed(unpacked))
      else expect(() => unpackPoints(bytes(packed))).toThrow('not a packed stroke')
    })

  test('bytes that are no stroke are refused, whatever they claim', () => {
    for (const bad of ['', '00', '02', '01ffffffff0f', '0101', '010100000000', '01010000ff07'])
      expect(() => unpackPoints(bytes(bad)), bad).toThrow('not a packed stroke')
  })

  test('200 points take less than 800 bytes', () => {
    const points = Array.from({ length: 200 }, (_, i): Point => [i * 3, 100 + 50 * Math.sin(i / 10), 0.5])
    expect(packPoints(points).length).toBeLessThan(800)
  })
})

interface FrameCase {
  name: string
  hex: string
  messages: { type?: string; payload?: string; fault?: string }[]
}

describe('frames are read as the schema crate reads them', () => {
  const kinds: Record<string, string> = { sync_step_1: 'step1', sync_step_2: 'step2', update: 'update' }
  for (const { name, hex: frame, messages } of fixtures<FrameCase>('frames')) {
    const wanted = messages.flatMap(({ type = '', payload }) =>
      kinds[type] ? [{ kind: kinds[type], payload }] : [],
    )
    if (wanted.length === 0) continue
    test(name, () => {
      const read: { kind: string; payload: string }[] = []
      const readAll = () => {
        for (const message of readFrame(bytes(frame))) {
          if (message.kind === 'step1') read.push({ kind: message.kind, payload: hex(message.stateVector) })
          if (message.kind === 'step2' || message.kind === 'update')
            read.push({ kind: message.kind, payload: hex(message.update) })
        }
      }
      // What came before the garbage counts.
      if (messages.some(({ fault }) => fault)) expect(readAll).toThrow()
      else readAll()
      expect(read).toEqual(wanted)
    })
  }

  test('what is written is read', () => {
    const body = new Uint8Array([1, 2, 3])
    expect([...readFrame(step1Frame(body))]).toEqual([{ kind: 'step1', stateVector: body }])
    expect([...readFrame(step2Frame(body))]).toEqual([{ kind: 'step2', update: body }])
    expect([...readFrame(updateFrame(body))]).toEqual([{ kind: 'update', update: body }])
    expect([...readFrame(savedFrame(300))]).toEqual([{ kind: 'echo', serial: 300 }])
    expect(hex(savedFrame(300))).toBe('6602ac02')
  })

  test('several messages in one frame are all read, up to one of unknown length', () => {
    const unknown = encoding.encode((encoder) => encoding.writeVarUint(encoder, 77))
    const frame = new Uint8Array([
      ...updateFrame(bytes('01')),
      ...savedFrame(5),
      ...unknown,
      ...savedFrame(6),
    ])
    expect([...readFrame(frame)].map(({ kind }) => kind)).toEqual(['update', 'echo'])
  })
})

describe('what may be written', () => {
  test('plain JSON is copied, not shared', () => {
    const value = { pos: [0, 1, 2], deep: { on: true, none: null }, gone: undefined }
    const copy = cloneJson('c', value)
    expect(copy).toEqual({ pos: [0, 1, 2], deep: { on: true, none: null } })
    expect((copy as typeof value).pos).not.toBe(value.pos)
  })

  test.each([
    ['NaN', { x: [0, Number.NaN] }, 'c.x[1] is NaN'],
    ['infinity', Infinity, 'c is Infinity'],
    ['bytes', new Uint8Array(3), 'c is a Uint8Array'],
    ['a date', { at: new Date() }, 'c.at is a Date'],
    ['undefined', undefined, 'c is a undefined'],
    ['a hole in an array', [undefined], 'c[0] is a undefined'],
    ['a function', { f: () => 1 }, 'c.f is a function'],
    ['a bigint', 1n, 'c is a bigint'],
    ['a prototype key', JSON.parse('{"__proto__": 1}'), 'field named "__proto__"'],
    ['much in all', Array(300).fill('x'.repeat(1000)), 'more than 262144 bytes as JSON'],
    ['a long string', 'x'.repeat(16 * 1024 + 1), 'more than 16384 bytes'],
    [
      'many fields',
      Object.fromEntries(Array.from({ length: 129 }, (_, i) => [i, i])),
      'more than 128 fields',
    ],
  ])('%s is refused with its place', (_, value, message) => {
    expect(() => cloneJson('c', value)).toThrow(message)
  })

  test('16 levels are allowed, 17 are not', () => {
    const nested = (levels: number): unknown => (levels === 0 ? 0 : [nested(levels - 1)])
    expect(cloneJson('c', nested(16))).toEqual(nested(16))
    expect(() => cloneJson('c', nested(17))).toThrow('deeper than 16')
  })

  test('names and ids follow their rules', () => {
    for (const name of ['__proto__', 'constructor', 'prototype', '', 'a b', 'x'.repeat(65), 'é', Symbol('s')])
      expect(() => checkComponentName(name)).toThrow('not a component name')
    expect(checkComponentName('my.app:thing-1')).toBe('my.app:thing-1')
    for (const id of ['__proto__', 'a.b', '', 'x'.repeat(65)])
      expect(() => checkEntityId(id)).toThrow('not an entity id')
    const ids = Array.from({ length: 100 }, randomId)
    for (const id of ids) expect(checkEntityId(id)).toHaveLength(21)
    expect(new Set(ids).size).toBe(100)
  })

  test('equality is that of JSON', () => {
    expect(sameJson({ a: [1, { b: null }], c: 'x' }, { c: 'x', a: [1, { b: null }] })).toBe(true)
    expect(sameJson({ a: 1 }, { b: 1 })).toBe(false)
    expect(sameJson([], {})).toBe(false)
    expect(sameJson([1], [1, 2])).toBe(false)
    expect(sameJson(null, {})).toBe(false)
  })
})
