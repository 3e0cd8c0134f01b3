// The pose record of SPEC M6, bit by bit as schema/src/presence/pose.rs has it. Numbers pass Math.fround where
// Rust computes in f32, so that both sides pack the same pose into the same bytes.
import type { Hand, Joint, Pose } from './types.js'

/** What positions of a space are relative to, and how many metres a unit of a thousand steps is. */
export interface PoseFrame {
  origin: readonly [number, number, number]
  scale: number
}

const LEFT = 1
const RIGHT = 2
const AUX = 4
export const TELEPORT = 8
const AGE_SHIFT = 4
const AGE_STEP_MS = 4

const HEAD_XZ_ZERO = 2 ** 19
const HEAD_Y_ZERO = 2 ** 14
const HAND_ZERO = 2 ** 9
const TEN_BITS = 1023

const f = Math.fround
const HEAD_UNIT = f(0.001)
const HAND_UNIT = f(0.0025)
const SQRT_2 = f(Math.SQRT2)

export const recordLength = (mask: number): number =>
  12 + 8 * ((mask & LEFT) + ((mask & RIGHT) >> 1)) + ((mask & AUX) >> 2)

/** As `bits` bits around `zero`, clamped. Halves round away from zero, as f32::round does. */
const quantise = (units: number, zero: number, bits: number): number =>
  Math.min(2 ** bits - 1, Math.max(0, Math.sign(units) * Math.round(Math.abs(units)) + zero))

/** Smallest three, 10 bits each, and two bits for which one is left out. */
const packRotation = (rotation: Joint['rot']): number => {
  const rot = rotation.map(f)
  const length = f(Math.sqrt(rot.reduce((sum, v) => f(sum + f(v * v)), 0)))
  let largest = 0
  rot.forEach((v, i) => {
    if (Math.abs(v) > Math.abs(rot[largest]!)) largest = i
  })
  // q and -q turn the same way: make the one left out positive.
  const scale = f(Math.sign(rot[largest]!) / length)
  let word = largest * 2 ** 30
  let slot = 0
  rot.forEach((v, i) => {
    if (i === largest) return
    const unit = f(f(f(f(v * scale) * SQRT_2) + 1) / 2)
    word += quantise(f(unit * TEN_BITS), 0, 10) * 2 ** (10 * slot++)
  })
  return word
}

const unpackRotation = (word: number): Joint['rot'] => {
  const rot: [number, number, number, number] = [0, 0, 0, 0]
  const largest = word >>> 30
  let rest = 1
  let shift = 0
  for (let i = 0; i < 4; i++) {
    if (i === largest) continue
    const v = ((((word >>> shift) & TEN_BITS) / TEN_BITS) * 2 - 1) * Math.SQRT1_2
    rot[i] = v
    rest -= v * v
    shift += 10
  }
  // Three components of a stranger may be longer than a unit together.
  rot[largest] = Math.sqrt(Math.max(0, rest))
  const length = Math.hypot(...rot)
  for (let i = 0; i < 4; i++) rot[i]! /= length
  return rot
}

/** Of a pose that setPose has checked. Positions outside the range are clamped to it. */
export const packPose = (pose: Pose, { origin, scale }: PoseFrame): Uint8Array => {
  const inUnits = ({ pos }: Joint): number[] => pos.map((v, axis) => f((v - origin[axis]!) / scale))
  const bytes = new Uint8Array(recordLength(LEFT | RIGHT | AUX))
  const view = new DataView(bytes.buffer)
  const [px, py, pz] = inUnits(pose.head) as [number, number, number]
  const x = quantise(f(px / HEAD_UNIT), HEAD_XZ_ZERO, 20)
  const z = quantise(f(pz / HEAD_UNIT), HEAD_XZ_ZERO, 20)
  const y = quantise(f(py / HEAD_UNIT), HEAD_Y_ZERO, 16)
  view.setUint32(1, x + (z % 2 ** 12) * 2 ** 20, true)
  view.setUint32(5, (z >>> 12) + y * 2 ** 8, true) // its last byte is the first of what follows
  view.setUint32(8, packRotation(pose.head.rot), true)
  const base = [x - HEAD_XZ_ZERO, y - HEAD_Y_ZERO, z - HEAD_XZ_ZERO].map((units) => f(units * HEAD_UNIT))
  let mask = pose.teleport ? TELEPORT : 0
  let at = 12
  for (const [hand, bit] of [
    [pose.left, LEFT],
    [pose.right, RIGHT],
  ] as const) {
    if (!hand) continue
    mask |= bit
    let low = (hand.grip ? 2 ** 30 : 0) + (hand.trigger ? 2 ** 31 : 0)
    inUnits(hand).forEach((v, axis) => {
      low += quantise(f(f(v - base[axis]!) / HAND_UNIT), HAND_ZERO, 10) * 2 ** (10 * axis)
    })
    view.setUint32(at, low, true)
    view.setUint32(at + 4, packRotation(hand.rot), true)
    at += 8
  }
  if (pose.aux !== undefined) {
    mask |= AUX
    bytes[at++] = pose.aux
  }
  bytes[0] = mask
  return bytes.slice(0, at)
}

export const ageOf = (mask: number): number => (mask >>> AGE_SHIFT) * AGE_STEP_MS

/** The whole millimetres of a head: x, y, z. */
const headUnits = (view: DataView): [number, number, number] => {
  const low = view.getUint32(1, true)
  const high = view.getUint32(4, true)
  return [
    (low & 0xfffff) - HEAD_XZ_ZERO,
    (high >>> 16) - HEAD_Y_ZERO,
    ((low >>> 20) | ((high & 0xff00) << 4)) - HEAD_XZ_ZERO,
  ]
}

/** A record is as long as its mask says; every bit pattern is a pose. */
export const unpackPose = (view: DataView, { origin, scale }: PoseFrame): Pose => {
  const mask = view.getUint8(0)
  const units = headUnits(view)
  const place = (metres: (axis: number) => number): Joint['pos'] => [
    metres(0) * scale + origin[0],
    metres(1) * scale + origin[1],
    metres(2) * scale + origin[2],
  ]
  let at = 12
  const hand = (bit: number): Hand | undefined => {
    if (!(mask & bit)) return undefined
    const low = view.getUint32(at, true)
    const rot = unpackRotation(view.getUint32(at + 4, true))
    at += 8
    const offset = (axis: number) => ((low >>> (10 * axis)) & TEN_BITS) - HAND_ZERO
    return {
      pos: place((axis) => units[axis]! / 1000 + offset(axis) / 400),
      rot,
      ...(low & (1 << 30) && { grip: true }),
      ...(low >>> 31 && { trigger: true }),
    }
  }
  const left = hand(LEFT)
  const right = hand(RIGHT)
  return {
    head: { pos: place((axis) => units[axis]! / 1000), rot: unpackRotation(view.getUint32(8, true)) },
    ...(left && { left }),
    ...(right && { right }),
    ...(mask & AUX && { aux: view.getUint8(at) }),
    ...(mask & TELEPORT && { teleport: true }),
  }
}

/** Where a far-away member is: the middle of the step, and zero where the record's is. */
export const unpackDot = (view: DataView, { origin, scale }: PoseFrame): Joint => {
  const flat = (at: number) => (view.getUint16(at, true) * 16 + 8 - HEAD_XZ_ZERO) / 1000
  const up = (view.getUint8(6) * 250 + 125 - HEAD_Y_ZERO) / 1000
  const half = (view.getInt8(7) / 256) * Math.PI
  return {
    pos: [flat(2) * scale + origin[0], up * scale + origin[1], flat(4) * scale + origin[2]],
    rot: [0, Math.sin(half), 0, Math.cos(half)],
  }
}

/** Ten-bit parts of two words that differ by at most `parts`; what is above them must be the same. */
const wordsAreNear = (a: number, b: number, parts: number): boolean =>
  a >>> 30 === b >>> 30 &&
  [0, 10, 20].every((shift) => Math.abs(((a >>> shift) & TEN_BITS) - ((b >>> shift) & TEN_BITS)) <= parts)

/** True when `b` is within the dead band of `a`: tremor, not movement. The server has the same band. */
export const isNear = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length || a[0] !== b[0] || b[0]! & TELEPORT) return false
  const [old, now] = [a, b].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
  const [from, to] = [headUnits(old!), headUnits(now!)]
  const near = (at: number, parts: number) =>
    wordsAreNear(old!.getUint32(at, true), now!.getUint32(at, true), parts)
  if (from.some((v, axis) => Math.abs(v - to[axis]!) > 3) || !near(8, 3)) return false
  const end = a.length - (a[0]! & AUX ? 1 : 0)
  for (let at = 12; at < end; at += 8) if (!near(at, 2) || !near(at + 4, 6)) return false
  return !(a[0]! & AUX) || a.at(-1) === b.at(-1)
}
