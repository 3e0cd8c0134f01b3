// The server's clock as seen from here. Time is an argument: `now` is this machine's monotonic clock, ms.

/** Samples we choose from. The one with the shortest round trip errs least. */
const SAMPLES_MAX = 8
/** How fast the offset may drift towards a better one, so that nobody's avatar jumps. */
const SLEW_MS_PER_S = 5
/** Farther off than this it is another clock (the machine slept), and drifting would take minutes. */
const JUMP_MS = 1000
/** Five questions at once, to start well; then one now and then, which also keeps the connection alive. */
const HURRIED_PINGS = 5
const HURRIED_MS = 200
const CALM_MS = 5000

interface Sample {
  offset: number
  rtt: number
}

export interface Clock {
  /** A guess, until the first answer: what the server said the time was, just now. */
  guess(server: number, now: number): void
  /** An answer: asked at `t0`, received and sent by the server's clock, read at `now`. */
  answer(t0: number, received: number, sent: number, now: number): void
  /** The server's time, ms since 1970. */
  at(now: number): number
  /** When it is `server` there, it is this here. */
  when(server: number, now: number): number
  /** Of the best sample; null before the first. */
  readonly rtt: number | null
  /** How much longer round trips took than the best one, on average. */
  readonly jitter: number
  /** Milliseconds until the next question, after `asked` of them on this connection. */
  pause(asked: number): number
}

export const createClock = (): Clock => {
  let samples: Sample[] = []
  let offset = 0
  let target = 0
  let slewedAt = 0

  const best = () => samples.reduce((a, b) => (b.rtt < a.rtt ? b : a))

  const slew = (now: number) => {
    const most = (Math.max(0, now - slewedAt) / 1000) * SLEW_MS_PER_S
    slewedAt = Math.max(now, slewedAt)
    offset += Math.min(most, Math.max(-most, target - offset))
  }

  return {
    guess: (server, now) => {
      if (samples.length > 0 && Math.abs(server - now - offset) < JUMP_MS) return
      samples = []
      offset = target = server - now
      slewedAt = now
    },
    answer: (t0, received, sent, now) => {
      slew(now)
      const first = samples.length === 0
      const rtt = Math.max(0, now - t0 - (sent - received))
      const sample = { offset: (received - t0 + (sent - now)) / 2, rtt }
      if (!first && Math.abs(sample.offset - offset) > JUMP_MS + rtt) samples = []
      samples = [...samples, sample].slice(-SAMPLES_MAX)
      target = best().offset
      if (first || samples.length === 1) offset = target
    },
    at: (now) => {
      slew(now)
      return now + offset
    },
    when: (server, now) => {
      slew(now)
      return server - offset
    },
    get rtt() {
      return samples.length > 0 ? best().rtt : null
    },
    get jitter() {
      if (samples.length === 0) return 0
      const { rtt } = best()
      return samples.reduce((sum, sample) => sum + sample.rtt - rtt, 0) / samples.length
    },
    pause: (asked) => (asked < HURRIED_PINGS ? HURRIED_MS : CALM_MS),
  }
}
