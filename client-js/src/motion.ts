// Where others are between two samples: what arrives twenty times a second, late and unevenly, becomes a pose
// for any moment. Pure: all times are the server's, in ms, and given.
import type { Joint, Pose } from './types.js'

const DELAY_MS_START = 100
const DELAY_MS_MIN = 75
const DELAY_MS_MAX = 300
/** How much faster or slower than life we may play to reach another delay. */
const RATE_CHANGE = 0.05
/** Far away nobody sees a change of pace, and samples are so rare that it has to be a large one. */
const RATE_CHANGE_FAR = 0.25
const LATENESS_MAX = 64
const EXTRAPOLATE_MS = 100
const EXTRAPOLATE_ROTATION_MS = 50
/** Moving more than this in a tick is a jump, not a movement. */
const JUMP_M_PER_TICK = 2
/** After this many ticks without a member it stood still; in fewer its pose may only have missed one. */
const STILL_TICKS = 3
/** This many ticks that came and did not tell of a member mean that it has stopped. */
const STOPPED_TICKS = 2
/** The rest is older than any delay. */
const SAMPLES_MAX = 32
/** A dot tells the height in steps of a quarter of a metre. */
const DOT_HEIGHT_M = 0.25
const FAR_LAG_MS_MAX = 1000

interface Sample {
  at: number
  pose: Pose
  /** Do not move to here: be here, from `at` on. */
  jump: boolean
}

interface Track {
  samples: Sample[]
  /** The tick that last told of this member, and how many had come by then. */
  tick: number
  heard: number
  /** Additional delay of who is told of rarely. */
  lag: number
  lagTarget: number
  lagAt: number
}

export interface Motion {
  /**
   * A TICK arrived, as every `every`th does. Comes before its records. Nothing is sent while nothing moves; a
   * `full` one comes after some were lost.
   */
  ticked(tick: number, tickAt: number, now: number, full?: boolean, every?: number): void
  record(id: string, sampleAt: number, pose: Pose): void
  dot(id: string, sampleAt: number, head: Joint): void
  /** null when nothing was ever heard of this member. */
  pose(id: string, now: number): Pose | null
  forget(id: string): void
  /** How far behind the server's time we play, ms. */
  readonly delay: number
}

type Vec = Joint['pos']
type Quat = Joint['rot']

const mix = (a: number, b: number, t: number) => a + (b - a) * t

const mixPlace = (a: Vec, b: Vec, t: number): Vec => [
  mix(a[0], b[0], t),
  mix(a[1], b[1], t),
  mix(a[2], b[2], t),
]

/** A normalised lerp: samples are so close that nobody tells it from a slerp. */
const mixTurn = (a: Quat, b: Quat, t: number): Quat => {
  const sign = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] < 0 ? -1 : 1
  const q = a.map((v, i) => mix(v, sign * b[i]!, t)) as [number, number, number, number]
  const length = Math.hypot(...q)
  return length > 1e-6 ? [q[0] / length, q[1] / length, q[2] / length, q[3] / length] : b
}

const mixJoint = <J extends Joint>(
  a: J | undefined,
  b: J | undefined,
  t: number,
  turn: number,
): J | undefined =>
  // A hand that only one of them has is not moved there from nowhere.
  a && b
    ? { ...(t < 1 ? a : b), pos: mixPlace(a.pos, b.pos, t), rot: mixTurn(a.rot, b.rot, turn) }
    : t < 1
      ? a
      : b

/** Between two poses; `turn` is how far the turning is. */
export const mixPose = (a: Pose, b: Pose, t: number, turn = t): Pose => {
  const left = mixJoint(a.left, b.left, t, turn)
  const right = mixJoint(a.right, b.right, t, turn)
  const { aux } = t < 1 ? a : b
  return {
    head: mixJoint(a.head, b.head, t, turn)!,
    ...(left && { left }),
    ...(right && { right }),
    ...(aux !== undefined && { aux }),
  }
}

const distance = (a: Vec, b: Vec) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])

const towards = (value: number, target: number, most: number) =>
  value + Math.min(most, Math.max(-most, target - value))

/** `fixed` is a delay instead of the adaptive one. */
export const createMotion = (tickMs: number, fixed?: number): Motion => {
  const tracks = new Map<string, Track>()
  let lateness: number[] = []
  let delay = DELAY_MS_START
  let delayTarget = DELAY_MS_START
  let delayAt = -Infinity
  let period = tickMs
  let heard = 0
  let newest = 0
  let gapless = false // between the tick before and the newest nothing was lost

  const trackOf = (id: string): Track => {
    let track = tracks.get(id)
    if (!track)
      tracks.set(id, (track = { samples: [], tick: newest, heard, lag: 0, lagTarget: 0, lagAt: -Infinity }))
    return track
  }

  const add = (track: Track, at: number, pose: Pose, told: boolean) => {
    const { samples } = track
    const last = samples.at(-1)
    const still = told && (newest - track.tick) * tickMs >= STILL_TICKS * period
    track.tick = newest
    track.heard = heard
    if (last && at <= last.at) return
    const gap = last ? at - last.at : 0
    const ticks = Math.max(1, gap / tickMs)
    const jump =
      !last || pose.teleport === true || distance(last.pose.head.pos, pose.head.pos) > JUMP_M_PER_TICK * ticks
    // Absent means unchanged: until a moment ago it was where it had been.
    if (last && !jump && still && gap > 2 * period)
      samples.push({ at: at - period, pose: last.pose, jump: false })
    samples.push({ at, pose, jump })
    if (samples.length > SAMPLES_MAX) samples.splice(0, samples.length - SAMPLES_MAX)
  }

  /** The delay changes slowly: how we play must not show how the network trembles. */
  const settle = (now: number) => {
    const most = Math.max(0, now - delayAt) * RATE_CHANGE
    delay = delayAt === -Infinity ? delayTarget : towards(delay, delayTarget, most)
    delayAt = Math.max(now, delayAt)
  }

  const beyond = (track: Track, time: number): Pose => {
    const last = track.samples.at(-1)!
    const before = track.samples.at(-2)
    // Later ticks said nothing of it, so it has stopped.
    if (!before || last.jump || heard - track.heard >= STOPPED_TICKS) return { ...last.pose }
    const span = last.at - before.at
    const damped = (most: number) => {
      const ms = Math.min(time - last.at, most)
      return 1 + (ms - (ms * ms) / (2 * most)) / span
    }
    return { ...mixPose(before.pose, last.pose, damped(EXTRAPOLATE_MS), damped(EXTRAPOLATE_ROTATION_MS)) }
  }

  return {
    ticked: (tick, tickAt, now, full = false, every = 1) => {
      gapless = !full
      newest = tick
      period = every * tickMs
      heard++
      lateness = [...lateness.slice(1 - LATENESS_MAX), now - tickAt]
      const sorted = [...lateness].sort((a, b) => a - b)
      const least = sorted[0]!
      const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? sorted.at(-1)!
      // The way here takes `least` at least, which no buffer can save; the buffer is for what comes on top.
      const buffer = lateness.length < 8 ? DELAY_MS_START : 1.5 * period + p95 - least
      delayTarget = least + (fixed ?? Math.min(DELAY_MS_MAX, Math.max(DELAY_MS_MIN, buffer)))
      settle(now)
    },
    record: (id, at, pose) => {
      const track = trackOf(id)
      track.lagTarget = 0
      add(track, at, pose, gapless)
    },
    dot: (id, at, head) => {
      const track = trackOf(id)
      const last = track.samples.at(-1)
      const y = last?.pose.head.pos[1]
      const kept = y !== undefined && Math.abs(y - head.pos[1]) <= DOT_HEIGHT_M ? y : head.pos[1]
      if (last) track.lagTarget = Math.min(FAR_LAG_MS_MAX, Math.max(0, at - last.at - period))
      add(track, at, { head: { pos: [head.pos[0], kept, head.pos[2]], rot: head.rot } }, false)
    },
    pose: (id, now) => {
      const track = tracks.get(id)
      if (!track || track.samples.length === 0) return null
      settle(now)
      track.lag = towards(track.lag, track.lagTarget, Math.max(0, now - track.lagAt) * RATE_CHANGE_FAR)
      track.lagAt = Math.max(now, track.lagAt)
      const time = now - delay - track.lag
      const { samples } = track
      let next = samples.length - 1
      if (time >= samples[next]!.at) return beyond(track, time)
      while (next > 0 && samples[next - 1]!.at > time) next--
      const to = samples[next]!
      const from = samples[next - 1]
      if (!from) return mixPose(to.pose, to.pose, 1)
      return mixPose(from.pose, to.pose, to.jump ? 0 : (time - from.at) / (to.at - from.at))
    },
    forget: (id) => void tracks.delete(id),
    get delay() {
      return delay
    },
  }
}
