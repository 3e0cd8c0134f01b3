// How the points of a stroke are packed into bytes (SPEC P1–P4); mirrors schema/src/stroke.rs.
// Layout: byte 1 (the format), varuint n, then n times zigzag varints dx, dy, dp: the difference to the point
// before, x and y in eighths of a pixel, pressure in 0..255.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { ThexrError } from './errors.js'
import type { Point } from './types.js'

/** Ten minutes of drawing at 60 Hz; the server refuses longer strokes. */
export const POINTS_MAX = 36_000

const FORMAT = 1
const STEPS_PER_PX = 8
const STEPS_MAX = 2 ** 27
const PRESSURE_MAX = 255

const zigzag = (n: number): number => (n < 0 ? -2 * n - 1 : 2 * n)
const unzigzag = (n: number): number => (n % 2 ? -(n + 1) / 2 : n / 2)

/** What is not a number counts as 0, as in the schema crate. */
const quantise = (n: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, Math.round(n) || 0))

export const packPoints = (points: readonly Point[]): Uint8Array =>
  encoding.encode((encoder) => {
    const kept = points.slice(0, POINTS_MAX)
    encoding.writeUint8(encoder, FORMAT)
    encoding.writeVarUint(encoder, kept.length)
    let before: readonly number[] = [0, 0, 0]
    for (const [x, y, pressure] of kept) {
      const now = [
        quantise(x * STEPS_PER_PX, -STEPS_MAX, STEPS_MAX),
        quantise(y * STEPS_PER_PX, -STEPS_MAX, STEPS_MAX),
        quantise(pressure * PRESSURE_MAX, 0, PRESSURE_MAX),
      ]
      now.forEach((value, i) => encoding.writeVarUint(encoder, zigzag(value - before[i]!)))
      before = now
    }
  })

/** Throws a ThexrError on bytes that are not a packed stroke. */
export const unpackPoints = (bytes: Uint8Array): Point[] => {
  const check = (holds: boolean) => {
    if (!holds) throw new Error('malformed')
  }
  try {
    const decoder = decoding.createDecoder(bytes)
    check(decoding.readUint8(decoder) === FORMAT)
    const count = decoding.readVarUint(decoder)
    // Three bytes are the least a point takes, so a lying count cannot make us allocate.
    check(count <= POINTS_MAX && count * 3 <= bytes.length)
    const points: Point[] = []
    let [x, y, pressure] = [0, 0, 0]
    for (let i = 0; i < count; i++) {
      x += unzigzag(decoding.readVarUint(decoder))
      y += unzigzag(decoding.readVarUint(decoder))
      pressure += unzigzag(decoding.readVarUint(decoder))
      check(Math.max(Math.abs(x), Math.abs(y)) <= STEPS_MAX && pressure >= 0 && pressure <= PRESSURE_MAX)
      points.push([x / STEPS_PER_PX, y / STEPS_PER_PX, pressure / PRESSURE_MAX])
    }
    check(!decoding.hasContent(decoder))
    return points
  } catch (cause) {
    throw new ThexrError('PROTOCOL', 'these bytes are not a packed stroke', { cause })
  }
}
