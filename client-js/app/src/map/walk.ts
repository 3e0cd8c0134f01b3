// Walking on the map: where I am after a moment, given the keys I hold or the point I go to. Pure, in metres and
// seconds. North is up and −z; a yaw of 0 looks north and grows to the left, as a rotation about y does.
import type { Joint, Pose } from '@thexr/client'

export interface Walker {
  readonly x: number
  readonly z: number
  readonly yaw: number
  /** Metres per second. */
  readonly vx: number
  readonly vz: number
}

export const speedMax = 2
export const headHeight = 1.6
/** Farther out there is nothing, and the server takes no pose from the end of the world. */
export const worldEnd = 500
/** One press of a key goes this far however short it is. */
export const tapMetres = 0.25
/** A frame that took longer was a hidden tab, not a step. */
const frameMax = 0.1
const arrivedMetres = 0.01

const inWorld = (at: number) => Math.min(worldEnd, Math.max(-worldEnd, at))

export interface Wish {
  /** A direction; its length does not count. */
  way?: readonly [x: number, z: number]
  target?: readonly [x: number, z: number] | null
  /** No easing: for people who do not want things to glide. */
  sharp?: boolean
}

export function walk(me: Walker, { way = [0, 0], target, sharp = false }: Wish, seconds: number): Walker {
  const dt = Math.min(frameMax, Math.max(0, seconds))
  const length = Math.hypot(...way)
  let [wx, wz] = [0, 0]
  if (length > 0) [wx, wz] = [(way[0] / length) * speedMax, (way[1] / length) * speedMax]
  else if (target) {
    const [dx, dz] = [target[0] - me.x, target[1] - me.z]
    const far = Math.hypot(dx, dz)
    // Slower towards the end, and never past it.
    const speed = Math.min(speedMax, far * 8)
    if (far > arrivedMetres) [wx, wz] = [(dx / far) * speed, (dz / far) * speed]
  }
  const ease = sharp ? 1 : 1 - Math.exp(-dt * 14)
  let [vx, vz] = [me.vx + (wx - me.vx) * ease, me.vz + (wz - me.vz) * ease]
  if (wx === 0 && wz === 0 && Math.hypot(vx, vz) < 0.02) [vx, vz] = [0, 0]
  const moving = Math.hypot(vx, vz) > 0.05
  return {
    x: inWorld(me.x + vx * dt),
    z: inWorld(me.z + vz * dt),
    vx,
    vz,
    yaw: moving ? turned(me.yaw, Math.atan2(-vx, -vz), ease) : me.yaw,
  }
}

/** The short way round. */
function turned(from: number, to: number, part: number): number {
  const turn = Math.atan2(Math.sin(to - from), Math.cos(to - from))
  return from + turn * part
}

export const poseOf = ({ x, z, yaw }: Pick<Walker, 'x' | 'z' | 'yaw'>): Pose => ({
  head: { pos: [x, headHeight, z], rot: [0, Math.sin(yaw / 2), 0, Math.cos(yaw / 2)] },
})

/** Where a joint looks, on the ground. Null when it looks straight up or down. */
export function facingOf({ rot: [x, y, z, w] }: Pick<Joint, 'rot'>): [x: number, z: number] | null {
  const [fx, fz] = [-2 * (x * z + w * y), -(1 - 2 * (x * x + y * y))]
  const length = Math.hypot(fx, fz)
  return length > 1e-3 ? [fx / length, fz / length] : null
}

const winds = ['north', 'north-east', 'east', 'south-east', 'south', 'south-west', 'west', 'north-west']

/** In words, for who cannot see the map. */
export function wayTo(from: Pick<Walker, 'x' | 'z'>, x: number, z: number): string {
  const [dx, dz] = [x - from.x, z - from.z]
  const far = Math.hypot(dx, dz)
  if (far < 0.5) return 'beside you'
  const wind = winds[(Math.round(Math.atan2(dx, -dz) / (Math.PI / 4)) + 8) % 8]
  return `${far < 10 ? far.toFixed(1) : Math.round(far)} metres ${wind}`
}
