// What space.replay() gives.
import type * as Y from 'yjs'
import type { ThexrError } from './errors.js'
import type { Board, Entities, Member, On, Pose, PresenceEvents } from './types.js'

export interface ReplayOptions {
  /** Where to begin: the number of an event, or a time. 0, the default, is before everything that is kept. */
  readonly from?: number | Date
  /** Seconds of the recording per second, 0.25 to 64. */
  readonly speed?: number
  /** Wait for `play()`. */
  readonly paused?: boolean
  /** Aborting destroys the replay. */
  readonly signal?: AbortSignal
}

export type ReplayState =
  /** Also after a lost connection: it goes on where it was. */
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'playing' }
  | { readonly state: 'paused' }
  /** At the newest event. What has happened since is played by `play()`. */
  | { readonly state: 'ended' }
  | { readonly state: 'closed'; readonly error: ThexrError | null }

export interface ReplayEvents {
  /** Another document and other views took the place of the old ones, as after each jump: draw everything anew. */
  reset: () => void
  /** Where it is has changed; four times a second while it plays. */
  position: () => void
  state: (state: ReplayState) => void
  error: (error: ThexrError) => void
}

/** Where people were. As `space.presence`, but nobody is `me`. */
export interface ReplayPresence<M> {
  readonly members: ReadonlyMap<string, Member<M>>
  users(): ReadonlyMap<string, readonly Member<M>[]>
  /** Where a member was at `now` (as `performance.now()` counts), between two samples. Call it per frame. */
  pose(memberId: string, now?: number): Pose | null
  readonly on: On<Pick<PresenceEvents<M>, 'join' | 'leave' | 'update' | 'sync'>>
}

export interface Replay<C, M> {
  /** The first moment is there. Rejects when it cannot be. */
  readonly ready: Promise<void>
  /** Another one after each `reset`. Never write to it. */
  readonly doc: Y.Doc
  /** For reading. Another object after each `reset`. */
  readonly entities: Entities<C>
  /** The same for a whiteboard. */
  board(name?: string): Board
  /** The same object for life. */
  readonly presence: ReplayPresence<M>
  /** The event that was played last. */
  readonly seq: number
  /** The moment of the recording; goes on by itself while it plays. */
  readonly time: Date
  /** What there is: events after `oldest` up to `newest`, and their times. */
  readonly range: {
    readonly oldest: number
    readonly newest: number
    readonly start: Date
    readonly end: Date
  }
  readonly state: ReplayState
  speed: number
  play(): void
  pause(): void
  /** To an event, or a time; from the end, it waits there. Resolves when it, or a later one, is shown. */
  seek(to: number | Date): Promise<void>
  /** By up to 100 events, back when negative, and pauses. */
  step(events: number): Promise<void>
  readonly on: On<ReplayEvents>
  /** Ends it; the space is not touched. */
  destroy(): void
}
