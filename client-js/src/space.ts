// connect(): puts the document, its local copy, the socket and the views of it together.
import * as Y from 'yjs'
import { addressesOf } from './address.js'
import { createBoard, strokesRoot } from './board.js'
import { createConnection } from './connection.js'
import { createEmitter, guarded, untilAborted } from './emitter.js'
import { createEntities } from './entities.js'
import { closeError, ThexrError } from './errors.js'
import { createPreviews } from './gesture.js'
import { createHistory } from './history.js'
import { randomId } from './json.js'
import { createLocalCopy } from './offline.js'
import type { LocalCopy } from './offline.js'
import { LOCAL, UNTRACKED } from './origins.js'
import { createPresence } from './presence.js'
import type { ReplayOptions } from './replay-types.js'
import { createSync } from './sync.js'
import type {
  Board,
  ComponentsOf,
  Entities,
  LogLine,
  MemberOf,
  Options,
  Persistence,
  Presence,
  SaveState,
  Schema,
  Space,
  SpaceEvents,
  Status,
} from './types.js'
import { createWrite } from './write.js'

const FLUSH_MS = 1000
/** Idle for this long, we probe; together with the patience for an answer less than five seconds. */
const IDLE_MS = 2000
const ANSWER_MS = 2500
const EPOCH_CHANGED = 4412

/** The same on every visit where the browser lets us remember it. */
const rememberedUser = (): string | null => {
  try {
    const user = localStorage.getItem('thexr:user') ?? randomId()
    localStorage.setItem('thexr:user', user)
    return user
  } catch {
    return null
  }
}

const deferred = () => {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => {}) // nobody has to wait for it
  return { promise, resolve, reject }
}

/** Opens a space. Returns at once; `ready`, `synced` and `saved()` tell how far it is. */
export const connect = <S extends Schema = Schema>(
  url: string | URL,
  id: string,
  options: Options<S> = {},
): Space<S> => {
  const addresses = addressesOf(url, id)
  const socketClass = options.WebSocket ?? globalThis.WebSocket
  if (!socketClass)
    throw new ThexrError('INCOMPATIBLE', 'this runtime has no WebSocket', {
      help: 'Give one: connect(url, space, { WebSocket }), for example from the package `ws`.',
    })
  const doc = options.doc ?? new Y.Doc()
  const { schema } = options
  const given = typeof options.user === 'string' ? { id: options.user } : (options.user ?? {})
  const known = given.id ?? rememberedUser()
  const user = known ?? randomId()
  const readOnly = options.readOnly ?? false
  const emitter = createEmitter<SpaceEvents>()
  const ready = deferred()
  const synced = deferred()
  const boards = new Map<string, ReturnType<typeof createBoard>>()
  let wanted = options.autoConnect ?? true
  let loading = true
  let destroyed: Promise<void> | null = null
  let gone = false // destroyed, and past the last flush
  let epoch = '' // of the history that this document is a copy of, once known
  let saveState: SaveState = 'unsaved'

  const log = (level: LogLine['level'], msg: string, data?: unknown) => {
    if (options.log) guarded(options.log, { level, msg, ...(data !== undefined && { data }) })
  }
  const onError = (error: ThexrError) => {
    log('error', error.message, error)
    emitter.emit('error', error)
  }

  const refusal = (): ThexrError | null => {
    if (destroyed) return new ThexrError('READ_ONLY', 'the space was destroyed')
    if (readOnly) return new ThexrError('READ_ONLY', 'the space is open for reading only')
    return null
  }
  const guard = () => {
    const error = refusal()
    if (error) throw error
  }

  // --- saving

  let localCopy: LocalCopy | null = null
  let custom: Persistence | null = null

  const onProgress = () => {
    if (gone) return
    localCopy?.setPending(sync.pending)
    const stored = localCopy ? localCopy.stored : custom !== null && !loading
    const next = sync.confirmed ? 'saved' : sync.saving ? 'saving' : stored ? 'local' : 'unsaved'
    if (next === saveState) return
    saveState = next
    emitter.emit('save', next)
  }

  // --- the local copy, read before the first dial so that we ask only for what we lack. It hears of an update
  // before `sync` does: else the question where it is kept would be answered too early.

  const { offline = typeof indexedDB !== 'undefined' } = options
  if (typeof offline === 'function') custom = offline(doc, id)
  else if (offline) {
    const name =
      (typeof offline === 'object' && offline.name) ||
      `thexr:${addresses.origin}:${known ?? 'anonymous'}:${id}`
    localCopy = createLocalCopy(doc, name, { onError, onStored: () => onProgress() })
  }
  const copy: Persistence | null = localCopy ?? custom
  const sync = createSync(doc, readOnly, {
    onProgress,
    onSynced: () => {
      ready.resolve()
      synced.resolve()
      emitter.emit('synced')
    },
    onEpoch: (said) => {
      // A server should have closed this socket itself; what it says next is of a history that is not ours.
      if ((epoch ||= said) !== said) return connection.refuse(closeError(EPOCH_CHANGED, 'epoch_changed'))
      void localCopy?.mark('epoch', said, said)
    },
    onError,
  })

  const onStatus = (status: Status) => {
    if (status.state === 'connecting') sync.revive()
    if (status.state === 'offline' && status.cause !== 'paused' && (localCopy || custom)) ready.resolve()
    if (status.state === 'closed') {
      const error = status.error ?? new ThexrError('NETWORK', 'the space was destroyed')
      if (error.code === 'REPLACED') void localCopy?.mark('retired', Date.now(), epoch)
      sync.abandon(error)
      ready.reject(error)
      synced.reject(error)
    }
    onProgress()
    emitter.emit('status', status)
  }

  const connection = createConnection({
    // A server that does not know the subprotocol would fail the handshake, so only our own are offered it.
    target: (token) => ({
      url: `${addresses.sync}?epoch=${epoch}${token === null ? `&user=${encodeURIComponent(user)}` : ''}`,
      protocols: token === null ? [] : ['thexr.v1', `thexr.auth.${token}`],
    }),
    idleMs: IDLE_MS,
    answerMs: ANSWER_MS,
    space: id,
    token: options.token,
    WebSocket: socketClass,
    openSession: (link, token) =>
      sync.open(
        Object.assign(link, {
          post: (update: Uint8Array, signal: AbortSignal) =>
            fetch(epoch ? `${addresses.update}?epoch=${epoch}` : addresses.update, {
              method: 'POST',
              body: update as Uint8Array<ArrayBuffer>,
              signal,
              headers: {
                'content-type': 'application/octet-stream',
                ...(token !== null && { authorization: `Bearer ${token}` }),
              },
            }),
        }),
      ),
    onStatus,
    onError,
    log,
  })

  const presence = createPresence({
    url: options.presence === false ? null : addresses.presence,
    space: id,
    token: options.token,
    WebSocket: socketClass,
    user: { id: user, name: given.name ?? 'Guest' },
    yjsClient: doc.clientID,
    ...(options.presence || {}),
    // A stock client's /sync cannot be told why it is refused, but this socket can (SPEC M1).
    refuse: connection.refuse,
    onError,
    log,
  })

  const start = () => {
    connection.start()
    presence.start()
  }

  const early: Status = { state: 'connecting', attempt: 0 }

  const load = async (loaded: Promise<boolean> | undefined) => {
    loading = true
    try {
      if (await loaded) ready.resolve()
    } catch (cause) {
      onError(new ThexrError('STORAGE', 'the local copy cannot be read', { cause }))
    }
    loading = false
    if (destroyed) return
    epoch = localCopy?.epoch ?? ''
    if (localCopy?.restored) sync.restore(localCopy.restored)
    onProgress()
    if (wanted) start()
  }

  // --- views

  const write = createWrite(doc, refusal)
  const root = doc.getMap<unknown>('entities')
  const history = createHistory(root, write, guard)

  const entities = createEntities({
    doc,
    root,
    write,
    clearStrokes: (entityId) => {
      // Asking the document for a root makes one, so only those that exist are asked for.
      if (!doc.share.has(strokesRoot(entityId))) return
      const array = doc.getArray<unknown>(strokesRoot(entityId))
      history.include(array)
      array.delete(0, array.length)
    },
    check: schema?.check && ((component, value) => schema.check?.(component, value)),
  })

  const previews = createPreviews({
    channel: presence,
    entities,
    write,
    guard,
    user,
    check: schema?.check && ((component, value) => schema.check?.(component, value)),
  })

  const ensureEntity = (entityId: string) => {
    if (entities.get(entityId)?.get('whiteboard') === undefined)
      entities.create({ whiteboard: {} }, { id: entityId })
  }

  const board = (name = 'board'): Board => {
    let found = boards.get(name)
    if (!found) {
      const remember = history.include
      found = createBoard(name, { doc, write, guard, user, ensureEntity, remember, ink: presence.ink })
      boards.set(name, found)
    }
    return found
  }

  // --- life

  let forget = () => {}

  const onUnload = (event: Event) => {
    if (sync.pending > 0 && saveState !== 'local') event.preventDefault()
  }
  if (options.warnOnUnload) globalThis.addEventListener?.('beforeunload', onUnload)

  const end = async (flush: number, deleteLocal: boolean) => {
    if (sync.pending > 0 && connection.status.state === 'online')
      await sync.saved([AbortSignal.timeout(flush)]).catch(() => {})
    globalThis.removeEventListener?.('beforeunload', onUnload)
    forget()
    previews.destroy()
    presence.destroy()
    connection.destroy()
    gone = true
    sync.destroy()
    await (deleteLocal ? copy?.clear() : copy?.destroy())
    for (const view of [...boards.values(), history, entities]) view.destroy()
    emitter.clear()
    if (!options.doc) doc.destroy()
  }
  const destroy: Space<S>['destroy'] = ({ flush = FLUSH_MS, deleteLocal = false } = {}) =>
    (destroyed ??= Promise.resolve().then(() => end(flush, deleteLocal)))

  const saved: Space<S>['saved'] = async ({ timeout, signal } = {}) => {
    const signals = signal ? [signal] : []
    if (timeout === undefined) return sync.saved(signals)
    const late = AbortSignal.timeout(timeout)
    try {
      return await sync.saved([...signals, late])
    } catch (error) {
      if (!late.aborted || error !== late.reason) throw error
      const help = 'The client keeps trying; see status and saveState.'
      throw new ThexrError('NETWORK', `not saved within ${timeout} ms`, { retryable: true, help })
    }
  }

  const reconnect = () => {
    wanted = true
    if (loading || destroyed) return
    connection.redial()
    presence.redial()
  }

  void load(copy?.loaded)
  forget = untilAborted(() => void destroy(), options.signal)

  return {
    id,
    doc,
    user,
    ready: ready.promise,
    synced: synced.promise,
    get status() {
      return loading && wanted && !destroyed ? early : connection.status
    },
    get saveState() {
      return saveState
    },
    get pending() {
      return sync.pending
    },
    readOnly,
    saved,
    on: emitter.on,
    entities: entities as unknown as Entities<ComponentsOf<S>>,
    history,
    presence: presence as unknown as Presence<MemberOf<S>>,
    gesture: (name) => {
      log('debug', 'gesture', name)
      return previews.gesture()
    },
    board,
    transact: (fn, { undo = true } = {}) => write(fn, undo ? LOCAL : UNTRACKED),
    replay: (async (replayed: ReplayOptions = {}) => {
      const { createReplay } = await import('./replay.js')
      if (destroyed) guard()
      const parts = { createBoard, createEmitter, createEntities, createWrite, untilAborted }
      const { token } = options
      const { replay } = addresses
      return createReplay(
        { url: replay, space: id, token, WebSocket: socketClass, log, parts, on: emitter.on },
        replayed,
      )
    }) as unknown as Space<S>['replay'],
    connect: () => {
      wanted = true
      if (!loading && !destroyed) start()
    },
    disconnect: () => {
      wanted = false
      if (loading || destroyed) return
      presence.stop()
      connection.stop()
    },
    reconnect,
    adopt: () => {
      if (loading || (connection.status as { error?: ThexrError }).error?.code !== 'REPLACED') return
      sync.revive()
      sync.restore(1) // the document: to this history it is one edit that the server has not confirmed
      void load(localCopy?.move())
    },
    keptCopies: async () => (await localCopy?.kept()) ?? [],
    destroy,
    [Symbol.asyncDispose]: () => destroy(),
  } as Space<S>
}
