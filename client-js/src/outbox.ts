// What is said to everybody waits here: of one topic and key only the newest, each at most twenty times a
// second, all together within what the server passes on (SPEC M12). Pure: time is an argument.
import { APP, SAY_BYTES_MAX } from './limits.js'

/** How often we look, and so how often one key can be said. */
export const OUTBOX_INTERVAL_MS = 50
/** The server takes 60 in any second: ten at once, and fifty in the second after. */
const MESSAGES_PER_S = 50
const MESSAGES_BURST = 10
/** The server takes 64 kB in any second. */
const BYTES_PER_S = 48_000
const BYTES_BURST = 12_000
/** More than this waits for longer than it is worth. */
const WAITING_MAX = 256

export interface Saying {
  topic: string
  key: string
  data: Uint8Array
}

export interface Outbox {
  /** `data` is asked when it is time to say it. What is then larger than a message may be is dropped. */
  put(topic: string, key: string, data: () => Uint8Array): void
  /** What may be said now. */
  take(now: number): Saying[]
  readonly size: number
  clear(): void
}

export const createOutbox = (): Outbox => {
  const waiting = new Map<string, { topic: string; key: string; data: () => Uint8Array }>()
  let messages = MESSAGES_BURST
  let bytes = BYTES_BURST
  let filledAt = -Infinity

  /** One message of the app, then gestures and lines, then the rest: neither waits behind a burst of the other. */
  const inTurn = () => {
    const all = [...waiting]
    const app = all.filter(([, { topic }]) => topic.startsWith(APP))
    return [...app.splice(0, 1), ...all.filter(([, { topic }]) => !topic.startsWith(APP)), ...app]
  }

  return {
    put: (topic, key, data) => {
      // Replacing keeps the place in the queue, so who changes often is not put off for ever.
      const id = `${topic}\n${key}`
      if (!waiting.has(id) && waiting.size >= WAITING_MAX) {
        // A message of the app gives way, the oldest first: gestures and lines are worth nothing later.
        const oldest = [...waiting].find(([, { topic }]) => topic.startsWith(APP))
        if (!oldest) return
        waiting.delete(oldest[0])
      }
      waiting.set(id, { topic, key, data })
    },
    take: (now) => {
      const seconds = Math.max(0, now - filledAt) / 1000
      messages = Math.min(MESSAGES_BURST, messages + seconds * MESSAGES_PER_S)
      bytes = Math.min(BYTES_BURST, bytes + seconds * BYTES_PER_S)
      filledAt = now
      const taken: Saying[] = []
      for (const [id, { topic, key, data: make }] of inTurn()) {
        const data = make()
        const size = data.length + topic.length + key.length
        if (data.length <= SAY_BYTES_MAX) {
          if (messages < 1 || bytes < size) break
          messages--
          bytes -= size
          taken.push({ topic, key, data })
        }
        waiting.delete(id)
      }
      return taken
    },
    get size() {
      return waiting.size
    },
    clear: () => waiting.clear(),
  }
}
