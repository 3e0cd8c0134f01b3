// Messages of /presence (SPEC M): what a client says is written here, what the server says is read. Knows
// bytes, not members. Mirrors schema/src/presence/{up,down}.rs.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { ageOf, recordLength, unpackDot, unpackPose } from './pose-wire.js'
import type { PoseFrame } from './pose-wire.js'
import type { Joint, LeaveReason, Pose } from './types.js'
import { PRESENCE } from './wire.js'

export const SUBPROTOCOL = 'thexr.p1'

const VERSION = 1

// --- what a client says

type Write = (encoder: encoding.Encoder) => void

const frame = (kind: number, write: Write): Uint8Array => {
  const payload = encoding.encode((encoder) => {
    encoding.writeUint8(encoder, kind)
    write(encoder)
  })
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, PRESENCE)
    encoding.writeVarUint8Array(encoder, payload)
  })
}

/** Little-endian numbers, which lib0 has not all of. */
const writeFixed = (encoder: encoding.Encoder, length: number, fill: (view: DataView) => void) => {
  const bytes = new Uint8Array(length)
  fill(new DataView(bytes.buffer))
  encoding.writeUint8Array(encoder, bytes)
}

export interface Hello {
  hz: number
  /** kB/s; 0 = the server's default. */
  budget: number
  yjsClient: number
  token: Uint8Array | null
  state: string
  caps?: number
}

export const helloFrame = ({ caps = 0, hz, budget, yjsClient, token, state }: Hello): Uint8Array =>
  frame(0x01, (encoder) => {
    encoding.writeUint8(encoder, VERSION)
    encoding.writeVarUint(encoder, caps)
    encoding.writeUint8(encoder, hz)
    encoding.writeVarUint(encoder, budget)
    encoding.writeVarUint(encoder, yjsClient)
    encoding.writeVarUint8Array(encoder, token ?? new Uint8Array())
    encoding.writeVarString(encoder, state)
  })

export const poseFrame = (seq: number, t: number, record: Uint8Array): Uint8Array =>
  frame(0x02, (encoder) => {
    writeFixed(encoder, 6, (view) => {
      view.setUint16(0, seq, true)
      view.setUint32(2, t, true)
    })
    encoding.writeUint8Array(encoder, record)
  })

export const viewFrame = (
  zone: string,
  focus: readonly [x: number, z: number] | null,
  budget: number,
): Uint8Array =>
  frame(0x03, (encoder) => {
    encoding.writeVarString(encoder, zone)
    encoding.writeUint8(encoder, focus ? 1 : 0)
    for (const cell of focus ?? []) writeFixed(encoder, 2, (view) => view.setInt16(0, cell, true))
    encoding.writeVarUint(encoder, budget)
  })

export const pingFrame = (id: number, t0: number): Uint8Array =>
  frame(0x04, (encoder) =>
    writeFixed(encoder, 10, (view) => {
      view.setUint16(0, id, true)
      view.setFloat64(2, t0, true)
    }),
  )

export const rackFrame = (tick: number, age: number): Uint8Array =>
  frame(0x05, (encoder) =>
    writeFixed(encoder, 6, (view) => {
      view.setUint32(0, tick, true)
      view.setUint16(4, age, true)
    }),
  )

export const byeFrame = (): Uint8Array => frame(0x06, () => {})

export const stateFrame = (state: string): Uint8Array =>
  frame(0x07, (encoder) => encoding.writeVarString(encoder, state))

export const sayFrame = (topic: string, key: string, data: Uint8Array): Uint8Array =>
  frame(0x08, (encoder) => {
    encoding.writeVarString(encoder, topic)
    encoding.writeVarString(encoder, key)
    encoding.writeVarUint8Array(encoder, data)
  })

// --- what the server says

export interface Welcome {
  kind: 'welcome'
  resumed: boolean
  handle: number
  member: string
  token: string
  tickMs: number
  tickNow: number
  /** When tick 0 was, ms since 1970 by the server's clock. */
  tick0: number
  origin: readonly [number, number, number]
  unitShift: number
  graceMs: number
  cellM: number
  every: readonly [mid: number, far: number]
  budget: number
  epoch: string
  user: string
  name: string
}

/** A member as the server tells of it. `state` is JSON. */
export interface Entry {
  handle: number
  member: string
  away: boolean
  role: number
  joinedAt: number
  yjsClient: number
  user: string
  name: string
  state: string
}

export type PresenceEvent = { seq: number; at: number; handle: number } & (
  | { kind: 'joined'; entry: Entry }
  | { kind: 'left'; reason: LeaveReason; heardAt: number }
  | { kind: 'suspended'; heardAt: number }
  | { kind: 'resumed' }
  | { kind: 'state'; state: string }
)

export interface Tick {
  kind: 'tick'
  tick: number
  /** Everybody in sight, not only who moved. */
  full: boolean
  shed: number
  records: { handle: number; ageMs: number; pose: Pose }[]
  dots: { handle: number; joint: Joint }[]
}

export interface Said {
  handle: number
  topic: string
  key: string
  data: Uint8Array
}

export type Down =
  | Welcome
  | { kind: 'roster'; asOf: number; more: boolean; entries: Entry[] }
  | { kind: 'events'; events: PresenceEvent[] }
  | Tick
  | { kind: 'pong'; id: number; t0: number; received: number; sent: number }
  | { kind: 'rate'; shed: number; hz: number }
  | { kind: 'said'; said: Said[] }
  /** Of a newer protocol. */
  | { kind: 'unknown'; id: number }

type In = decoding.Decoder

const REASONS: readonly LeaveReason[] = ['bye', 'grace', 'kicked', 'expired', 'shutdown', 'replaced']

const malformed = (): Error => new Error('malformed presence message')

/** The next bytes, which must lie within the message. */
const take = (r: In, length: number): DataView => {
  if (r.pos + length > r.arr.length) throw malformed()
  const view = new DataView(r.arr.buffer, r.arr.byteOffset + r.pos, length)
  r.pos += length
  return view
}
const u8 = (r: In) => take(r, 1).getUint8(0)
const u16 = (r: In) => take(r, 2).getUint16(0, true)
const u32 = (r: In) => take(r, 4).getUint32(0, true)
const f64 = (r: In) => {
  const value = take(r, 8).getFloat64(0, true)
  if (!Number.isFinite(value)) throw malformed()
  return value
}
const varUint = decoding.readVarUint
const bytes = (r: In): Uint8Array => {
  const view = take(r, varUint(r))
  return new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength)
}
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const text = (r: In): string => utf8.decode(bytes(r))

export const hexOf = (data: Uint8Array): string =>
  Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('')

export const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))

const id = (r: In): string => {
  const view = take(r, 16)
  return hexOf(new Uint8Array(view.buffer, view.byteOffset, 16))
}

const many = <T>(r: In, n: number, read: (r: In) => T): T[] => {
  const all: T[] = []
  // One by one: a lying count ends at the end of the bytes, before it costs memory.
  while (n-- > 0) all.push(read(r))
  return all
}

const welcome = (r: In): Welcome => {
  if (u8(r) !== VERSION) throw malformed()
  return {
    kind: 'welcome',
    resumed: u8(r) !== 0,
    handle: u16(r),
    member: id(r),
    token: id(r),
    tickMs: u16(r),
    tickNow: u32(r),
    tick0: f64(r),
    origin: [f64(r), f64(r), f64(r)],
    unitShift: u8(r),
    graceMs: varUint(r),
    cellM: u8(r),
    every: [u8(r), u8(r)],
    budget: varUint(r),
    epoch: text(r),
    user: text(r),
    name: text(r),
  }
}

const entry = (r: In): Entry => ({
  handle: u16(r),
  member: id(r),
  away: u8(r) !== 0,
  role: u8(r),
  joinedAt: varUint(r),
  yjsClient: varUint(r),
  user: text(r),
  name: text(r),
  state: text(r),
})

const event = (r: In): PresenceEvent => {
  const kind = u8(r)
  const head = { seq: varUint(r), at: varUint(r), handle: u16(r) }
  switch (kind) {
    case 1:
      return { kind: 'joined', ...head, entry: entry(r) }
    case 2: {
      const reason = REASONS[u8(r) - 1]
      if (!reason) throw malformed()
      return { kind: 'left', ...head, reason, heardAt: varUint(r) }
    }
    case 3:
      return { kind: 'suspended', ...head, heardAt: varUint(r) }
    case 4:
      return { kind: 'resumed', ...head }
    case 5:
      return { kind: 'state', ...head, state: text(r) }
    default:
      throw malformed()
  }
}

const tick = (r: In, place: PoseFrame): Tick => {
  const number = u32(r)
  const flags = u8(r)
  const [nRecords, nDots] = [u16(r), u16(r)]
  const records = many(r, nRecords, () => {
    const handle = u16(r)
    const mask = u8(r)
    r.pos--
    return { handle, ageMs: ageOf(mask), pose: unpackPose(take(r, recordLength(mask)), place) }
  })
  const dots = many(r, nDots, () => {
    const view = take(r, 8)
    return { handle: view.getUint16(0, true), joint: unpackDot(view, place) }
  })
  return { kind: 'tick', tick: number, full: (flags & 1) !== 0, shed: (flags >> 1) & 3, records, dots }
}

const said = (r: In): Said => ({ handle: u16(r), topic: text(r), key: text(r), data: bytes(r) })

/** Throws on malformed bytes. */
const readPayload = (payload: Uint8Array, place: PoseFrame): Down => {
  const r = decoding.createDecoder(payload)
  const read = (): Down => {
    const kind = u8(r)
    switch (kind) {
      case 0x81:
        return welcome(r)
      case 0x82:
        return { kind: 'roster', asOf: varUint(r), more: u8(r) !== 0, entries: many(r, varUint(r), entry) }
      case 0x83:
        return { kind: 'events', events: many(r, varUint(r), event) }
      case 0x84:
        return tick(r, place)
      case 0x85:
        return { kind: 'pong', id: u16(r), t0: f64(r), received: f64(r), sent: f64(r) }
      case 0x86:
        return { kind: 'rate', shed: u8(r), hz: u8(r) }
      case 0x87:
        return { kind: 'said', said: many(r, varUint(r), said) }
      default:
        r.pos = payload.length
        return { kind: 'unknown', id: kind }
    }
  }
  const down = read()
  if (decoding.hasContent(r)) throw malformed()
  return down
}

/**
 * The messages of one WebSocket frame, in order. Throws where bytes are malformed. `place` is asked before each,
 * because a WELCOME earlier in the same frame changes it.
 */
export function* readPresence(data: Uint8Array, place: () => PoseFrame): Generator<Down> {
  const r = decoding.createDecoder(data)
  do {
    if (varUint(r) !== PRESENCE) throw malformed()
    yield readPayload(bytes(r), place())
  } while (decoding.hasContent(r))
}
