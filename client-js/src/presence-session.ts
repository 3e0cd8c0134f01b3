// One socket of /presence: says HELLO, asks for the time, reports what arrives, hands over what it reads.
import type { Clock } from './clock.js'
import type { Link, Session } from './connection.js'
import type { PoseFrame } from './pose-wire.js'
import { pingFrame, rackFrame, readPresence } from './presence-wire.js'
import type { Down } from './presence-wire.js'

const RACK_MS = 1000

export interface PresenceHooks {
  place(): PoseFrame
  hear(down: Down, now: number): void
  close(): void
}

export const openPresenceSession = (
  link: Link,
  hello: Uint8Array,
  clock: Clock,
  { place, hear, close }: PresenceHooks,
): Session => {
  let open = true
  let asked = 0
  let pingTimer: ReturnType<typeof setTimeout>
  let beat = { tick0: 0, tickMs: 0 }
  let tick: { number: number; late: number } | null = null

  const ping = () => link.send(pingFrame(asked & 0xffff, performance.now()))

  const askOn = () => {
    ping()
    pingTimer = setTimeout(askOn, clock.pause(++asked))
  }

  const rackTimer = setInterval(() => {
    if (!tick) return
    link.send(rackFrame(tick.number, Math.min(65_535, Math.round(Math.max(0, tick.late)))))
    tick = null
  }, RACK_MS)

  link.send(hello)
  askOn()

  return {
    synced: true,
    receive: (frame) => {
      const now = performance.now()
      for (const down of readPresence(frame, place)) {
        if (!open) return
        if (down.kind === 'pong') {
          clock.answer(down.t0, down.received, down.sent, now)
          if (clock.rtt !== null) link.rtt(Math.round(clock.rtt))
        } else {
          if (down.kind === 'welcome') beat = down
          // How old it was when it came, beside the way it had to go: what a link that lags adds.
          if (down.kind === 'tick') {
            const late = clock.at(now) - (clock.rtt ?? 0) / 2 - (beat.tick0 + down.tick * beat.tickMs)
            tick = { number: down.tick, late }
          }
          hear(down, now)
        }
      }
    },
    probe: ping,
    close: () => {
      open = false
      clearTimeout(pingTimer)
      clearInterval(rackTimer)
      close()
    },
  }
}
