// Keeps a document and a server in step, and knows what the server has confirmed as durable. One Sync per
// space, one Session per socket. Does not know how sockets are made.
import * as Y from 'yjs'
import type { Link, Session } from './connection.js'
import { ThexrError } from './errors.js'
import { NETWORK, STORAGE } from './origins.js'
import {
  BULK_BYTES_MAX,
  FRAME_BYTES_MAX,
  readFrame,
  savedFrame,
  step1Frame,
  step2Frame,
  updateFrame,
} from './wire.js'
import type { Message } from './wire.js'

/** How often a gap in what the server sent may make us ask for everything again. */
const RESYNC_INTERVAL_MS = 5000

/** A socket, and the way for updates that are too large for it. */
export interface SyncLink extends Link {
  post(update: Uint8Array, signal: AbortSignal): Promise<Response>
}

export interface SyncEvents {
  /** pending, confirmed or saving may have changed. */
  onProgress(): void
  onSynced(): void
  /** The server names the history it has. */
  onEpoch(epoch: string): void
  onError(error: ThexrError): void
}

export interface Sync {
  /** Local updates not confirmed as durable. */
  readonly pending: number
  /** The server has said that everything up to now is durable. */
  readonly confirmed: boolean
  /** Updates are on their way to a server that confirms. */
  readonly saving: boolean
  /** Edits of an earlier visit, found in the local copy. */
  restore(count: number): void
  open(link: SyncLink): Session
  saved(signals: readonly AbortSignal[]): Promise<void>
  /** Nothing more will be confirmed, until `revive`. */
  abandon(error: ThexrError): void
  revive(): void
  destroy(): void
}

/**
 * hello: the server has not asked yet; what is written waits for the answer to its SyncStep1, which contains
 * it (sent earlier it could lack what it builds on). live: updates go out as they happen. posting: a large
 * update travels by HTTP and later ones wait for it. stuck: the server will not take what we have.
 */
type Phase = 'hello' | 'live' | 'posting' | 'stuck'

interface OpenSession extends Session {
  enqueue(update: Uint8Array): void
  readonly phase: Phase
}

interface Waiter {
  upTo: number
  resolve(): void
  reject(error: unknown): void
}

const tooLarge = (message: string): ThexrError =>
  new ThexrError('TOO_LARGE', message, {
    help: 'Undo the last edit, then reconnect. Until then it is kept here but not saved.',
  })

/** The `code` of the problem in an answer; '' when it is not a problem of ours. */
const problemOf = async (response: Response): Promise<string> => {
  try {
    const { code } = (await response.json()) as { code?: unknown }
    return typeof code === 'string' ? code : ''
  } catch {
    return ''
  }
}

/** What the document has beyond a state vector. */
const difference = (doc: Y.Doc, stateVector: Uint8Array): Uint8Array => {
  const update = Y.encodeStateAsUpdate(doc, stateVector)
  if (update.length <= FRAME_BYTES_MAX) return update
  // The undo stacks keep the content of what was deleted; a document without them drops it.
  const lean = new Y.Doc()
  Y.applyUpdate(lean, Y.encodeStateAsUpdate(doc))
  return Y.encodeStateAsUpdate(lean, stateVector)
}

export const createSync = (doc: Y.Doc, readOnly: boolean, events: SyncEvents): Sync => {
  let written = 0 // local updates so far
  let acked = -1 // how many of them are durable; -1 = the server never said
  let acks = false // whether the server answers message 102 at all
  let serial = 0 // payload of the last 102, unique per question
  let failures = 0 // large updates in a row that did not arrive
  let session: OpenSession | null = null
  let dead: ThexrError | null = null
  const waiters = new Set<Waiter>()

  const settle = () => {
    for (const waiter of waiters) if (waiter.upTo <= acked) waiter.resolve()
    events.onProgress()
  }

  const refuse = (error: ThexrError) => {
    dead = error
    for (const waiter of waiters) waiter.reject(error)
  }

  const onUpdate = (update: Uint8Array, origin: unknown) => {
    if (origin === NETWORK) return
    if (origin !== STORAGE) written++
    session?.enqueue(update)
    events.onProgress()
  }
  doc.on('update', onUpdate)

  const open = (link: SyncLink): OpenSession => {
    const abort = new AbortController()
    let phase: Phase = 'hello'
    let queue: Uint8Array[] = []
    let flushing = false
    let synced = false
    let sent = -1 // how many local updates this socket was given
    let question: { serial: number; upTo: number; at: number; probe: boolean } | null = null
    let resyncAt = 0

    const ask = (probe = false) => {
      if (sent < 0 || (question && !probe)) return
      question = { serial: ++serial, upTo: sent, at: performance.now(), probe: probe || !acks }
      link.send(savedFrame(serial))
    }

    const deliver = (update: Uint8Array, frame: (update: Uint8Array) => Uint8Array) => {
      if (update.length > FRAME_BYTES_MAX) return void post(update)
      phase = 'live'
      sent = written
      link.send(frame(update))
      ask()
    }

    const flush = () => {
      flushing = false
      if (phase !== 'live' || queue.length === 0 || abort.signal.aborted) return
      const update = queue.length === 1 ? queue[0]! : Y.mergeUpdates(queue)
      queue = []
      deliver(update, updateFrame)
    }

    const stick = (error: ThexrError) => {
      phase = 'stuck'
      refuse(error)
      events.onError(error)
      events.onProgress()
    }

    /** Only what another try may change is tried again: a large update is expensive to send. */
    const refused = (status: number, code: string, bytes: number, failed: (cause: unknown) => void) => {
      const what = `the server refused an update of ${bytes} bytes (${status}${code && ` ${code}`})`
      // A stock Yjs server has no such endpoint, and its 404 has no code.
      if (status === 413 || code === 'space_full' || (code === '' && (status === 404 || status === 405)))
        return stick(tooLarge(what))
      if (status === 401 || status === 403) return stick(new ThexrError('DENIED', what))
      if (code === 'no_space')
        return link.end(new ThexrError('NOT_FOUND', what, { help: 'Check the name of the space.' }))
      // The next socket begins with the server saying what it lacks, or that our history is over.
      if (
        status >= 500 ||
        status === 408 ||
        status === 429 ||
        code === 'update_gap' ||
        code === 'epoch_changed'
      )
        return failed(what)
      const help = 'Load the page again; if it happens again, please report it.'
      link.end(new ThexrError('PROTOCOL', what, { help }))
    }

    const post = async (update: Uint8Array) => {
      if (update.length > BULK_BYTES_MAX)
        return stick(tooLarge(`an update of ${update.length} bytes is more than the server takes`))
      phase = 'posting'
      const has = Y.encodeStateVector(doc)
      const upTo = written
      const failed = (cause: unknown) =>
        link.fail(
          new ThexrError('NETWORK', 'a large update did not arrive', { retryable: true, cause }),
          ++failures,
        )
      let response: Response
      let code: string
      try {
        response = await link.post(update, abort.signal)
        code = response.ok ? '' : await problemOf(response)
      } catch (cause) {
        if (!abort.signal.aborted) failed(cause)
        return
      }
      if (abort.signal.aborted) return
      if (!response.ok) return refused(response.status, code, update.length, failed)
      failures = 0
      queue = []
      phase = 'live'
      sent = upTo
      if (written > upTo) deliver(difference(doc, has), updateFrame)
      else ask()
    }

    /** The server tells what it has: at the start, and again after it refused something with a gap. */
    const answer = (stateVector: Uint8Array) => {
      if (phase === 'posting') return // it ends by sending the rest
      question = null // an echo of before may not count what was refused
      queue = []
      if (readOnly) {
        phase = 'live'
        sent = 0
        return ask()
      }
      deliver(difference(doc, stateVector), step2Frame)
    }

    const askAll = () => link.send(step1Frame(Y.encodeStateVector(doc)))

    const apply = (update: Uint8Array) => {
      Y.applyUpdate(doc, update, NETWORK)
      if (!doc.store.pendingStructs || performance.now() < resyncAt) return
      resyncAt = performance.now() + RESYNC_INTERVAL_MS
      askAll()
    }

    const echoed = (echo: number) => {
      if (question?.serial !== echo) return
      const { at, probe, upTo } = question
      question = null
      acks = true
      acked = Math.max(acked, upTo)
      if (probe) link.rtt(Math.round(performance.now() - at))
      if (sent > acked) ask()
      settle()
    }

    const handle = (message: Message) => {
      switch (message.kind) {
        case 'step1':
          answer(message.stateVector)
          return events.onProgress()
        case 'step2':
          apply(message.update)
          if (synced) return
          synced = true
          return events.onSynced()
        case 'update':
          return apply(message.update)
        case 'echo':
          return echoed(message.serial)
        case 'epoch':
          return events.onEpoch(message.epoch)
        case 'denied':
          return events.onError(new ThexrError('DENIED', message.reason))
        case 'other':
          return
      }
    }

    askAll()
    const mine: OpenSession = {
      get phase() {
        return phase
      },
      get synced() {
        return synced
      },
      enqueue: (update) => {
        if (phase !== 'live' || readOnly) return
        queue.push(update)
        if (flushing) return
        flushing = true
        queueMicrotask(flush)
      },
      receive: (frame) => {
        for (const message of readFrame(frame)) if (!abort.signal.aborted) handle(message)
      },
      probe: () => (acks ? ask(true) : askAll()),
      close: () => {
        abort.abort()
        if (session === mine) session = null
        events.onProgress()
      },
    }
    return (session = mine)
  }

  return {
    get pending() {
      return written - Math.max(acked, 0)
    },
    get confirmed() {
      return acked >= written
    },
    get saving() {
      return acks && session !== null && (session.phase === 'live' || session.phase === 'posting')
    },
    restore: (count) => {
      written += count
      events.onProgress()
    },
    open,
    saved: (signals) =>
      new Promise<void>((resolve, reject) => {
        const upTo = written
        if (upTo <= acked) return resolve()
        if (dead) return reject(dead)
        const offs: (() => void)[] = []
        const finish = (end: () => void) => {
          waiters.delete(waiter)
          for (const off of offs) off()
          end()
        }
        const waiter: Waiter = {
          upTo,
          resolve: () => finish(resolve),
          reject: (error) => finish(() => reject(error)),
        }
        waiters.add(waiter)
        for (const signal of signals) {
          const stop = () => waiter.reject(signal.reason)
          if (signal.aborted) return stop()
          signal.addEventListener('abort', stop, { once: true })
          offs.push(() => signal.removeEventListener('abort', stop))
        }
      }),
    abandon: refuse,
    revive: () => {
      dead = null
    },
    destroy: () => doc.off('update', onUpdate),
  }
}
