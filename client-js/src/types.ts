// The public contract of @thexr/client: types only, nothing here exists at run time.
import type * as Y from 'yjs'
import type { ThexrError } from './errors.js'

/** Undoes a subscription. Calling it twice is harmless. */
export type Off = () => void

/** Every emitter returns its undo and takes an AbortSignal. */
export type On<E> = <K extends keyof E>(event: K, fn: E[K], options?: { signal?: AbortSignal }) => Off

/**
 * What a space holds: a map of component name to value type, and optionally a check that runs on every
 * local write (for development; the server validates for real).
 */
export interface Schema<C = any> {
  components?: C
  version?: number
  check?(component: string, value: unknown): void
}

/** The component map of a schema. */
export type ComponentsOf<S> = S extends Schema<infer C> ? C : never

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
  /** Deletes the local copy. */
  clear(): Promise<void>
  destroy(): Promise<void>
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
  /** Stable id of the person, written as `by` into strokes and into the name of the local copy. */
  user?: string
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
  /** The whiteboard of the entity with this id (default `board`). Same name, same object. */
  board(name?: string): Board
  /** One update on the wire, one undo step. `undo: false` keeps it out of the history. */
  transact<T>(fn: () => T, options?: { undo?: boolean }): T
  connect(): void
  disconnect(): void
  /** Drop the socket, if any, and dial now. Also after a terminal close. */
  reconnect(): void
  /** Idempotent. Waits up to `flush` ms (default 1000) for unsaved edits when online. */
  destroy(options?: { flush?: number; deleteLocal?: boolean }): Promise<void>
}

export type ChangeSource = 'local' | 'remote' | 'undo' | 'storage'

export interface Change<C, K extends keyof C = keyof C> {
  id: string
  component: K
  /** Absent when the component was removed. */
  value?: C[K]
  /** Absent when the component is new. */
  previous?: C[K]
  source: ChangeSource
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
  /** Strokes being drawn by this client. */
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
