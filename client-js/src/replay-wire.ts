// Messages of /replay that are its own (SPEC R): what steers it, and where it is. What it plays are the messages of
// /sync and /presence. Mirrors schema/src/replay.rs.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { REPLAY } from './wire.js'

export const SUBPROTOCOL = 'thexr.r1'
export const SPEED_MIN = 0.25
export const SPEED_MAX = 64
/** Events that one order steps over at most. */
export const STEPS_MAX = 100

export interface Position {
  kind: 'position'
  /** The newest order that is carried out. */
  id: number
  seq: number
  /** Milliseconds since 1970. */
  at: number
  state: 'playing' | 'paused' | 'ended'
  speed: number
  oldest: number
  newest: number
  start: number
  end: number
}

export type Told =
  | Position
  /** What follows is of another moment, up to the next position. */
  | { kind: 'reset'; id: number; seq: number; at: number }
  /** Of a newer protocol. */
  | { kind: 'unknown' }

const frame = (kind: number, write: (encoder: encoding.Encoder) => void = () => {}): Uint8Array => {
  const payload = encoding.encode((encoder) => {
    encoding.writeUint8(encoder, kind)
    write(encoder)
  })
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, REPLAY)
    encoding.writeVarUint8Array(encoder, payload)
  })
}

export const playFrame = (): Uint8Array => frame(1)
export const pauseFrame = (): Uint8Array => frame(2)

/** Within what the server reads: an event as a whole number, a time until the end of the year 9999. */
export const pointOf = (to: number | Date): number =>
  Math.max(
    0,
    Math.min(typeof to === 'number' ? Number.MAX_SAFE_INTEGER : 253402300799999, Math.floor(Number(to))),
  )

/** To an event, or a time. */
export const seekFrame = (id: number, to: number | Date): Uint8Array =>
  frame(3, (encoder) => {
    encoding.writeVarUint(encoder, id)
    encoding.writeUint8(encoder, typeof to === 'number' ? 0 : 1)
    encoding.writeVarUint(encoder, pointOf(to))
  })

export const stepFrame = (id: number, events: number): Uint8Array =>
  frame(4, (encoder) => {
    encoding.writeVarUint(encoder, id)
    encoding.writeUint8(encoder, events < 0 ? 1 : 0)
    encoding.writeVarUint(encoder, Math.abs(events))
  })

export const speedFrame = (speed: number): Uint8Array =>
  frame(5, (encoder) => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, speed, true)
    encoding.writeUint8Array(encoder, bytes)
  })

const STATES = ['playing', 'paused', 'ended'] as const

/** Throws on malformed bytes. */
export const readTold = (data: Uint8Array): Told => {
  const outer = decoding.createDecoder(data)
  decoding.readVarUint(outer)
  const r = decoding.createDecoder(decoding.readVarUint8Array(outer))
  const number = () => decoding.readVarUint(r)
  switch (decoding.readUint8(r)) {
    case 0x81:
      return { kind: 'reset', id: number(), seq: number(), at: number() }
    case 0x82: {
      const [id, seq, at] = [number(), number(), number()]
      const state = STATES[decoding.readUint8(r)]
      const bytes = decoding.readUint8Array(r, 8)
      const speed = new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true)
      if (!state || !(speed > 0)) throw new Error('malformed replay message')
      const [oldest, newest, start, end] = [number(), number(), number(), number()]
      return { kind: 'position', id, seq, at, state, speed, oldest, newest, start, end }
    }
    default:
      return { kind: 'unknown' }
  }
}
