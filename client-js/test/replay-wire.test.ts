// The messages that steer a replay, against the bytes of the Rust codec.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { pauseFrame, playFrame, readTold, seekFrame, speedFrame, stepFrame } from '../src/replay-wire.js'

interface Case {
  name: string
  direction: 'up' | 'down'
  hex: string
  value: { kind: string; [field: string]: unknown }
}

/** Written by schema/tests/replay.rs. */
const file = new URL('../../schema/fixtures/replay.json', import.meta.url)
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] }
const of = (direction: string) => cases.filter((one) => one.direction === direction)

const written = ({ kind, id, seq, time, events, speed }: any): Uint8Array => {
  if (kind === 'play') return playFrame()
  if (kind === 'pause') return pauseFrame()
  if (kind === 'seek') return seekFrame(id, seq ?? new Date(time))
  return kind === 'step' ? stepFrame(id, events) : speedFrame(speed)
}

describe('messages of a replay', () => {
  test.each(of('up'))('[R3] writes $name', ({ hex, value }) => {
    expect(Buffer.from(written(value)).toString('hex')).toBe(hex)
  })

  test.each(of('down'))('[R4] reads $name, and not when it is cut short', ({ hex, value }) => {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
    expect(readTold(bytes)).toEqual(value)
    for (let end = 0; end < bytes.length; end++) expect(() => readTold(bytes.slice(0, end))).toThrow()
  })
})
