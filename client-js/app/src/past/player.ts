// A replay of the server's: document, members and poses, as they went on.
import type { Replay } from '@thexr/client'
import type { AppSpace, Components } from '../space/room.js'
import type { Moment } from './moment.js'
import { pastSpace, type Crowd } from './view.js'

export const speeds: readonly number[] = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64]

export interface Player {
  /** Plays from there, or goes on where it was paused when that is there. */
  play(from: Moment, speed: number): void
  /** False when nothing has come yet: it is stopped. */
  pause(): boolean
  setSpeed(speed: number): void
  /** Somebody went elsewhere: there is nothing to go on with. */
  stop(): void
}

interface Listener {
  /** Once when it begins: what it plays in. */
  show(past: AppSpace): void
  /** With each frame. */
  moved(moment: Moment): void
  /** It waits for the server, or does not any more. */
  waiting(on: boolean): void
  ended(): void
  failed(why: string): void
}

export function createPlayer(space: AppSpace, { show, moved, waiting, ended, failed }: Listener): Player {
  let replay: Replay<Components, Record<string, unknown>> | null = null
  let running: AbortController | null = null
  let paused: Moment | null = null
  // The first moment of it has come; before, it is nowhere.
  let begun = false
  let frame = 0

  const now = (): Moment | null => (replay && begun ? { at: replay.time.getTime(), seq: replay.seq } : null)
  const follow = () => {
    frame = requestAnimationFrame(follow)
    const moment = now()
    if (moment && replay?.state.state === 'playing') moved(moment)
  }
  const rest = () => {
    cancelAnimationFrame(frame)
    frame = 0
  }
  const stop = () => {
    rest()
    running?.abort()
    running = null
    replay = null
    paused = null
    begun = false
  }
  const fail = (error: unknown) => {
    stop()
    failed(error instanceof Error ? error.message : String(error))
  }

  async function begin(from: Moment, speed: number) {
    const mine = new AbortController()
    running = mine
    try {
      const made = await space.replay({
        from: from.seq ?? new Date(from.at),
        speed,
        paused: paused !== null,
        signal: mine.signal,
      })
      if (running !== mine) return
      replay = made
      const scene = () => {
        const { doc, entities } = made
        show(
          pastSpace(
            space,
            { doc, entities, board: (name) => made.board(name) },
            made.presence as unknown as Crowd,
          ),
        )
      }
      made.on('reset', scene)
      made.on('state', (now) => {
        waiting(now.state === 'connecting')
        if (now.state === 'ended') ended()
        if (now.state === 'closed' && now.error) fail(now.error)
      })
      made.on('position', () => {
        begun = true
        // It ran on for as long as the word to stop took.
        if (!paused || made.state.state !== 'paused') return
        paused = now()
        if (paused) moved(paused)
      })
      await made.ready
    } catch (error) {
      if (running === mine) fail(error)
    }
  }

  return {
    play(from, speed) {
      const same = replay && paused && from.at === paused.at && from.seq === paused.seq
      paused = null
      if (same && replay) {
        follow()
        replay.speed = speed
        replay.play()
        return
      }
      stop()
      follow()
      void begin(from, speed)
    },
    pause() {
      rest()
      replay?.pause()
      paused = now()
      if (paused) moved(paused)
      else stop()
      return paused !== null
    },
    setSpeed(speed) {
      if (replay) replay.speed = speed
    },
    stop,
  }
}
