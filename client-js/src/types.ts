// The public contract of @thexr/client: types only, nothing here exists at run time.
import type { Replay, ReplayOptions } from './replay-types.js'
import type * as Y from 'yjs'
import type { ThexrError } from './errors.js'

/** Undoes a subscription. Calling it twice is harmless. */
export type Off = () => void

/** Every emitter returns its undo and takes an AbortSignal. */
export type On<E> = <K extends keyof E>(event: K, fn: E[K], options?: { signal?: AbortSignal }) => Off

/**
 * What a space holds: a map of component name to value type, and optionally a check that runs on every
 * local write. The server compares with its vocabulary only what is written over HTTP. `any` and not `unknown`:
 * a space without a schema takes every component, and `keyof unknown` is `never`.
 */
export interface Schema<C = any, M = any> {
  components?: C
  /** What members tell of themselves: a JSON object of at most 1 KiB. */
  member?: M
  version?: number
  check?(component: string, value: unknown): void
}

/** The component map of a schema. */
export type ComponentsOf<S> = S extends Schema<infer C> ? C : never

/** The member state of a schema. */
export type MemberOf<S> = S extends Schema<any, infer M> ? M : never

export type TokenReason = 'connect' | 'expired' | 'denied'

/** Asked before every dial. May fail: the dial is retried with back-off. `null` means "connect without one". */
export type TokenProvider = (context: {
  space: string
  reason: TokenReason
  signal: AbortSignal
}) => string | null | Promise<string | null>

/** A local copy of the document. `loaded` tells whether it held anything. */
export interface Persistence {
  readonly loaded: Promise<boolean>
  flush(): Promise<void>
  /** Deletes the local copy, and those of earlier histories with it. */
  clear(): Promise<void>
  destroy(): Promise<void>
}

/** A copy of a history that the space has no more, as it was on this device. */
export interface KeptCopy {
  readonly epoch: string
  /** When it was laid aside. */
  readonly at: Date
  /** All of it, edits that were never sent included, as a Yjs update. */
  read(): Promise<Uint8Array>
}

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  msg: string
  data?: unknown
}

export interface Options<S extends Schema = Schema> {
  /** A JWT or a function that gets one. Sent as a subprotocol, never in the URL. */
  token?: string | TokenProvider
  schema?: S
  /** Keep a copy in IndexedDB. Default: true where there is an IndexedDB, false in Node. */
  offline?: boolean | { name?: string } | ((doc: Y.Doc, space: string) => Persistence)
  /**
   * Who this is, while no token says it: a stable id, written as `by` into strokes and into the name of the
   * local copy, and the name others see (default `Guest`). A string is the id alone.
   */
  user?: string | { id?: string; name?: string }
  /**
   * `hz` poses per second at most (default 20), `delayMs` a fixed playback delay instead of the adaptive one,
   * `state` what others see of us from the start. `false` opens no presence socket.
   */
  presence?: { hz?: number; delayMs?: number; state?: Partial<MemberOf<S>> } | false
  readOnly?: boolean
  /** Default true. With false the space is `paused` until `connect()`. */
  autoConnect?: boolean
  /** Ask before the tab closes while something exists only in memory. Default false. */
  warnOnUnload?: boolean
  /** Use this document instead of a new one. `destroy()` leaves it alone. */
  doc?: Y.Doc
  /** For runtimes without a global WebSocket (Node 20). */
  WebSocket?: typeof WebSocket
  /** Aborting destroys the space. */
  signal?: AbortSignal
  log?: (line: LogLine) => void
}

export type Status =
  | { state: 'connecting'; attempt: number }
  | { state: 'online'; rttMs: number | null }
  | {
      state: 'offline'
      cause: 'network' | 'server' | 'token' | 'paused'
      retryAt: number | null
      error?: ThexrError
    }
  /** Terminal: a close code from 4400 to 4499, or `destroy()` (then without an error). */
  | { state: 'closed'; error?: ThexrError }

/**
 * `saved`: durable on the server. `saving`: on its way. `local`: only in this browser's IndexedDB.
 * `unsaved`: only in memory. A server that never answers message 102 cannot confirm anything, so with a
 * stock Yjs server the state stays `local` or `unsaved`.
 */
export type SaveState = 'saved' | 'saving' | 'local' | 'unsaved'

export interface SpaceEvents {
  status: (status: Status) => void
  save: (state: SaveState) => void
  synced: () => void
  error: (error: ThexrError) => void
}

export interface Space<S extends Schema = Schema> extends AsyncDisposable {
  readonly id: string
  /** The Y.Doc itself: any Yjs binding works on it. */
  readonly doc: Y.Doc
  /** The stable id written as `by` into strokes. */
  readonly user: string
  /** Usable content: the local copy, or the first sync, or (with a local copy) the first failed dial. */
  readonly ready: Promise<void>
  /** The first sync with the server. */
  readonly synced: Promise<void>
  readonly status: Status
  readonly saveState: SaveState
  /** Local updates the server has not confirmed as durable. */
  readonly pending: number
  readonly readOnly: boolean
  /** Everything written so far is durable. Rejects after `timeout` milliseconds. */
  saved(options?: { timeout?: number; signal?: AbortSignal }): Promise<void>
  readonly on: On<SpaceEvents>
  readonly entities: Entities<ComponentsOf<S>>
  readonly history: History
  /** Who is here, where they are, and what they say. Apart from the document. */
  readonly presence: Presence<MemberOf<S>>
  /** Shows values to everybody while they change, and writes the last ones once. */
  gesture(name?: string): Gesture<ComponentsOf<S>>
  /** The whiteboard of the entity with this id (default `board`). Same name, same object. */
  board(name?: string): Board
  /** One update on the wire, one undo step. `undo: false` keeps it out of the history. */
  transact<T>(fn: () => T, options?: { undo?: boolean }): T
  /** Plays what happened here, from any point. Its code is loaded on demand. */
  replay(options?: ReplayOptions): Promise<Replay<ComponentsOf<S>, MemberOf<S>>>
  connect(): void
  disconnect(): void
  /** Drop the socket, if any, and dial now. Also after a terminal close. */
  reconnect(): void
  /**
   * After an error `REPLACED` (the space was deleted and made anew, or restored from a backup): brings this copy into
   * the space as it is now, where both merge. What was laid aside stays in `keptCopies()`. Without that error it does
   * nothing. `ready` and `synced` that were rejected by it (on the first dial) stay so: use `saved()` and the events.
   */
  adopt(): void
  /** Copies of earlier histories of this space that were laid aside on this device. */
  keptCopies(): Promise<KeptCopy[]>
  /**
   * Idempotent. Waits up to `flush` ms (default 1000) for unsaved edits when online. `deleteLocal` deletes the local copy
   * and all that `keptCopies()` lists.
   */
  destroy(options?: { flush?: number; deleteLocal?: boolean }): Promise<void>
}

/** `preview`: shown during a gesture, not written. */
export type ChangeSource = 'local' | 'remote' | 'undo' | 'storage' | 'preview'

export interface Change<C, K extends keyof C = keyof C> {
  id: string
  component: K
  /** Absent when the component was removed. */
  value?: C[K]
  /** Absent when the component is new. */
  previous?: C[K]
  source: ChangeSource
  /** User id of who previews it. */
  by?: string
}

export interface EntitiesEvents<C> {
  add: (entity: Entity<C>) => void
  remove: (id: string) => void
  change: (change: Change<C>) => void
}

export interface Entities<C> extends Iterable<Entity<C>> {
  readonly size: number
  get(id: string): Entity<C> | undefined
  has(id: string): boolean
  /** With an id that exists this sets the given components and keeps the others. */
  create(components: Partial<C>, options?: { id?: string }): Entity<C>
  /** Also clears the strokes of the entity's whiteboard, in the same transaction. */
  delete(id: string): void
  query<A extends keyof C>(q: { all: readonly A[]; none?: readonly (keyof C)[] }): Query<C, A>
  /** Changes of one component, of every entity or of the one with `id`. Costs nothing for other components. */
  observe<K extends keyof C>(
    component: K,
    fn: (change: Change<C, K>) => void,
    options?: { id?: string; signal?: AbortSignal },
  ): Off
  readonly on: On<EntitiesEvents<C>>
}

/** A handle. Values it returns are shared with the document: treat them as read only. */
export interface Entity<C, R extends keyof C = never> {
  readonly id: string
  get<K extends keyof C>(component: K): K extends R ? C[K] : C[K] | undefined
  /** What a gesture shows now, else what is written: for drawing. */
  live<K extends keyof C>(component: K): C[K] | undefined
  /** Replaces the whole component. Writing to an entity that somebody deleted does nothing. */
  set<K extends keyof C>(component: K, value: C[K]): this
  /** Sets some fields of a component and keeps its others. */
  patch<K extends keyof C>(component: K, value: Partial<C[K]>): this
  remove(component: keyof C): this
  delete(): void
  toJSON(): Partial<C>
}

export interface QueryEvents<C, A extends keyof C> {
  enter: (entity: Entity<C, A>) => void
  exit: (id: string) => void
  /** Once per transaction and entity, whichever of its components changed. */
  change: (entity: Entity<C, A>) => void
}

/** Lazy: follows the document only while it has listeners, so there is nothing to dispose. */
export interface Query<C, A extends keyof C> extends Iterable<Entity<C, A>> {
  readonly size: number
  /** The same array until membership changes, while the query has listeners. */
  readonly snapshot: readonly Entity<C, A>[]
  readonly on: On<QueryEvents<C, A>>
}

export interface History {
  undo(): boolean
  redo(): boolean
  readonly canUndo: boolean
  readonly canRedo: boolean
  /** Same as `transact`: one undo step. */
  group<T>(fn: () => T): T
  clear(): void
  readonly on: On<{ change: () => void }>
}

export type Tool = 'pen' | 'marker'
export type Point = readonly [x: number, y: number, pressure: number]

export interface Stroke {
  readonly id: string
  /** User id of the author. */
  readonly by: string
  readonly color: string
  readonly size: number
  readonly tool: Tool
  /** Decoded when first read. */
  readonly points: readonly Point[]
}

export interface StrokePen {
  /** Id the stroke will have. */
  readonly id: string
  append(x: number, y: number, pressure?: number): void
  /** Commits the stroke as one array item. `null` when nothing was drawn. */
  end(): Stroke | null
  cancel(): void
}

export interface BoardEvents {
  add: (stroke: Stroke, source: ChangeSource) => void
  remove: (id: string) => void
  /** A stroke being drawn got a point. */
  live: (stroke: Stroke) => void
  /** A stroke is no longer being drawn. */
  idle: (id: string) => void
}

export interface Board {
  /** Id of the entity that carries the board. */
  readonly id: string
  readonly strokes: readonly Stroke[]
  /** Strokes being drawn now, by this client and by others. */
  readonly live: ReadonlyMap<string, Stroke>
  begin(style: { color: string; size: number; tool?: Tool }): StrokePen
  erase(...ids: string[]): void
  clear(): void
  /** Takes back what this session did on this board, never what others did. */
  undo(): boolean
  redo(): boolean
  readonly canUndo: boolean
  readonly canRedo: boolean
  readonly on: On<BoardEvents>
}

/** One change in the making. Withdrawn at others when we vanish. */
export interface Gesture<C> {
  /** Shown at once here, and at others; more than 4 KiB only here. Validated like a write. */
  set<K extends keyof C>(id: string, component: K, value: C[K]): void
  /** Writes the last values: one update, one undo step. */
  commit(): void
  cancel(): void
}

export interface Joint {
  /** Metres: x, y (up), z. */
  readonly pos: readonly [x: number, y: number, z: number]
  /** Quaternion. */
  readonly rot: readonly [x: number, y: number, z: number, w: number]
}

export interface Hand extends Joint {
  readonly grip?: boolean
  readonly trigger?: boolean
}

export interface Pose {
  readonly head: Joint
  readonly left?: Hand
  readonly right?: Hand
  /** A byte: voice in the low four bits, gesture in the high four. */
  readonly aux?: number
  /** It jumped here: others do not see it fly. */
  readonly teleport?: boolean
}

/** One connection. Replaced by a new object when something changes, so that it can be compared. */
export interface Member<M> {
  readonly id: string
  /** Several members may be one user: two tabs. */
  readonly userId: string
  readonly me: boolean
  /** What it tells of itself, and its `name` where it tells none. */
  readonly state: M
  /** Milliseconds since 1970. */
  readonly joinedAt: number
  /** Lost and perhaps coming back; while we are disconnected, everybody. */
  readonly away: boolean
}

/** Why somebody left: in order; not back within the grace; thrown out; access over; not back after a restart; taken over. */
export type LeaveReason = 'bye' | 'grace' | 'kicked' | 'expired' | 'shutdown' | 'replaced'

export interface PresenceEvents<M> {
  /** Also for everybody who is there when we come, before `sync`. */
  join: (member: Member<M>, info: { firstForUser: boolean }) => void
  /** Without a reason when it happened while we were away. */
  leave: (member: Member<M>, info: { lastForUser: boolean; reason: LeaveReason | null }) => void
  update: (member: Member<M>) => void
  /** A pose as it arrives; for drawing use `pose()`. */
  pose: (member: Member<M>, pose: Pose) => void
  message: (topic: string, data: unknown, from: Member<M>) => void
  /** The list of members is complete: after each connect. */
  sync: () => void
}

/** What we want to see of the poses of others, and from where. */
export interface View {
  /**
   * People in a zone see each other only; those on `'stage'` (at most 16) are seen by everybody, everywhere and in
   * full. Empty is the open space.
   */
  readonly zone?: string
  /** Look from here (x and z, metres) instead of from our own pose: a camera, or somebody without an avatar. */
  readonly focus?: readonly [x: number, z: number] | null
  /** Pose bytes per second, 8,000 to 256,000; 48,000 when it is left out. */
  readonly budget?: number
}

export interface Presence<M> {
  /** null until the server lets us in. */
  readonly me: Member<M> | null
  /** By id. The same map until somebody changes. */
  readonly members: ReadonlyMap<string, Member<M>>
  users(): ReadonlyMap<string, readonly Member<M>[]>
  /** Merges into our state. */
  set(patch: Partial<M>): void
  /** Call it as often as you like: it is sent on movement, at most `hz` times a second. */
  setPose(pose: Pose): void
  /** Until the next call; without one we look from our own pose in the open space. */
  view(view: View): void
  /** Where a member is at `now` (as `performance.now()` counts), smoothed. Call it per frame. */
  pose(memberId: string, now?: number): Pose | null
  /**
   * To everybody else who is here now. May be lost; at most 4 KiB of JSON. With a `key` only the newest counts: what
   * has not left yet is replaced, as for a cursor.
   */
  send(topic: string, data: unknown, key?: string): void
  readonly on: On<PresenceEvents<M>>
}
