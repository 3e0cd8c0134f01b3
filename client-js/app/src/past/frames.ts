// Documents of the past, one request at a time: while one is on its way the newest wish waits, and the picture before
// it stays. The last few are kept, for whoever steps to and fro.
import type { AppSpace } from '../space/room.js'
import { getPast, type Wanted } from './server.js'
import { sceneOf, type Loaded } from './view.js'

const keptMax = 8
/** The server builds a moment of a long history in far less. */
const patienceMs = 20_000

const pauseMsMax = 250

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))
/** After the next frame, or soon where there are none: a tab that is not looked at. */
const drawn = () =>
  Promise.race([pause(100), new Promise<void>((done) => requestAnimationFrame(() => setTimeout(done, 0)))])

export interface Frames {
  /** Asks for a moment; what was asked for before and has not been begun is forgotten. */
  want(wanted: Wanted): void
  /** Nothing is wanted any more. */
  stop(): void
  destroy(): void
}

interface Listener {
  /** A moment is there: the one that was asked for, and the number it turned out to have. */
  show(scene: Loaded, seq: number, wanted: Wanted): void
  fail(error: unknown, wanted: Wanted): void
}

export function createFrames(space: AppSpace, { show, fail }: Listener): Frames {
  // The oldest first.
  const kept = new Map<number, Loaded>()
  let next: Wanted | null = null
  let asking: AbortController | null = null

  const keep = (seq: number, scene: Loaded) => {
    kept.delete(seq)
    kept.set(seq, scene)
    const [oldest, old] = [...kept][0] ?? []
    if (kept.size > keptMax && oldest !== undefined) {
      kept.delete(oldest)
      old?.destroy()
    }
  }

  async function run() {
    const wanted = next
    if (!wanted || asking) return
    next = null
    const mine = new AbortController()
    asking = mine
    const late = setTimeout(() => mine.abort(new Error('The server takes too long.')), patienceMs)
    try {
      const { update, seq } = await getPast(space.id, wanted, mine.signal)
      if (asking !== mine) return
      const scene = kept.get(seq) ?? sceneOf(space.id, update)
      keep(seq, scene)
      const began = performance.now()
      show(scene, seq, wanted)
      await drawn()
      // Of the time of a page that is being scrubbed, pictures get half.
      await pause(Math.min(pauseMsMax, performance.now() - began))
    } catch (error) {
      // Asked for something else meanwhile: that is what counts.
      if (asking === mine && !next) fail(mine.signal.aborted ? mine.signal.reason : error, wanted)
    } finally {
      clearTimeout(late)
      if (asking === mine) {
        asking = null
        void run()
      }
    }
  }

  const stop = () => {
    next = null
    asking?.abort()
    asking = null
  }
  return {
    want(wanted) {
      const known = 'seq' in wanted ? kept.get(wanted.seq) : undefined
      if (known && 'seq' in wanted) {
        stop()
        keep(wanted.seq, known)
        show(known, wanted.seq, wanted)
        return
      }
      next = wanted
      void run()
    },
    stop,
    destroy() {
      stop()
      for (const scene of kept.values()) scene.destroy()
      kept.clear()
    },
  }
}
