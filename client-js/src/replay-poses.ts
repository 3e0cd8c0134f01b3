// Where members were at any moment of a recording, between two samples of it. Samples come a second or so before
// their time, so that nobody has to be guessed. Pure: times are the recording's, ms since 1970, and given.
import { mixPose } from './motion.js'
import type { Pose } from './types.js'

/** Who was not sampled for longer than this stood still: samples are of whoever moves. */
const STILL_MS = 1500
/** How long the movement after standing still may have taken, at most: a sample's period. */
const START_MS = 1000
/** Faster than the server lets anybody be, it is a jump. */
const SPEED_MAX_M_PER_S = 20
/** Of one member, when nobody asks where it is. */
const SAMPLES_MAX = 512

interface Sample {
  at: number
  pose: Pose
  /** Do not move to here: be here, from `at` on. */
  jump: boolean
}

export interface ReplayPoses {
  record(handle: number, at: number, pose: Pose): void
  pose(handle: number, at: number): Pose | null
  forget(handle: number): void
  clear(): void
}

export const createReplayPoses = (): ReplayPoses => {
  const tracks = new Map<number, Sample[]>()

  return {
    record: (handle, at, pose) => {
      const samples = tracks.get(handle) ?? []
      tracks.set(handle, samples)
      const last = samples.at(-1)
      if (last && at <= last.at) return
      if (last && at - last.at > STILL_MS) samples.push({ at: at - START_MS, pose: last.pose, jump: false })
      const [a, b] = [samples.at(-1)?.pose.head.pos ?? pose.head.pos, pose.head.pos]
      const metres = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
      const seconds = (at - (samples.at(-1)?.at ?? at)) / 1000
      const jump = pose.teleport === true || metres > SPEED_MAX_M_PER_S * seconds + 1
      samples.push({ at, pose, jump })
      if (samples.length > SAMPLES_MAX) samples.splice(0, samples.length - SAMPLES_MAX)
    },
    pose: (handle, at) => {
      const samples = tracks.get(handle)
      if (!samples?.length) return null
      let next = samples.findIndex((sample) => sample.at > at)
      if (next < 0) next = samples.length
      // Time goes forwards only, until everything is forgotten.
      if (next > 1) samples.splice(0, next - 1)
      const [from, to] = samples as [Sample, Sample | undefined]
      if (!to || from.at > at) return from.pose
      return mixPose(from.pose, to.pose, to.jump ? 0 : (at - from.at) / (to.at - from.at))
    },
    forget: (handle) => void tracks.delete(handle),
    clear: () => tracks.clear(),
  }
}
