// When the own pose is sent: on movement, at most `hz` times a second, shortly before the server's tick, and
// not at all into a socket that does not drain. Pure: `now` is this machine's clock, and the timer is the caller's.
import type { Clock } from './clock.js'
import { isNear, TELEPORT } from './pose-wire.js'

/** What does not move is sent once a second, and so is everything while nobody else is there. */
const REST_MS = 1000
/** A socket with more than this to send does not drain. */
export const BACKLOG_BYTES = 64 * 1024
/** Members send spread over this, so that a thousand do not arrive in the same millisecond. */
const SPREAD_MS = 16
/** Before the tick by this, beside half a round trip and what that varies by. */
const MARGIN_MS = 5
const JITTERS = 1.5

export interface Beat {
  handle: number
  tickMs: number
  /** When tick 0 was, by the server's clock. */
  tick0: number
}

export interface Uplink {
  /** The newest pose. */
  set(record: Uint8Array, now: number): void
  /** When to look next, by this machine's clock; null when there is nothing to send. */
  next(now: number): number | null
  /** The record to send now, and when it was taken. Null when it would tell nothing. */
  take(now: number, buffered: number): { record: Uint8Array; at: number } | null
  /** On a new connection: everything is news there. */
  reset(beat: Beat | null): void
}

export const createUplink = (hz: number, clock: Clock, alone: () => boolean): Uplink => {
  let newest: { record: Uint8Array; at: number } | null = null
  let sent: Uint8Array | null = null
  let sentAt = -Infinity
  let beat: Beat | null = null

  const worthIt = (now: number): boolean =>
    newest !== null && (!sent || now - sentAt >= REST_MS || !isNear(sent, newest.record))

  return {
    set: (record, now) => {
      // A jump that was not sent yet stays one.
      if (newest && newest.record !== sent) record[0]! |= newest.record[0]! & TELEPORT
      newest = { record, at: now }
    },
    next: (now) => {
      if (!beat || !worthIt(now)) return null
      const { handle, tickMs, tick0 } = beat
      const pause = alone() ? REST_MS : 1000 / hz
      const least = Math.max(now, sentAt + pause - tickMs / 2)
      // Golden steps spread any set of handles evenly.
      const spread = ((handle * 0.6180339887) % 1) * SPREAD_MS
      const lead = (clock.rtt ?? 0) / 2 + JITTERS * clock.jitter + MARGIN_MS + spread
      const tick = Math.ceil((clock.at(least) + lead - tick0) / tickMs)
      return clock.when(tick0 + tick * tickMs - lead, now)
    },
    take: (now, buffered) => {
      // A pose is worth nothing later, so one that cannot leave is dropped: the next is as good.
      if (buffered > BACKLOG_BYTES || !newest || !worthIt(now)) return null
      sent = newest.record
      sentAt = now
      return newest
    },
    reset: (next) => {
      beat = next
      sent = null
      sentAt = -Infinity
    },
  }
}
