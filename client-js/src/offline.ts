// The local copy in IndexedDB, in the store layout of y-indexeddb (`updates`, `custom`). A broken or absent
// IndexedDB is reported once and never holds anything up.
import * as Y from 'yjs'
import { ThexrError } from './errors.js'
import { STORAGE } from './origins.js'
import type { KeptCopy, Persistence } from './types.js'

const OPEN_MS_MAX = 4000
const WRITE_EVERY_MS = 200
const ROWS_MAX = 200
const PENDING = 'pending'
/** Another tab may have gone on to the next database, once each time the space was made anew. */
const AHEAD_MAX = 8

export interface LocalCopy extends Persistence {
  /** Unconfirmed updates of an earlier visit; known once loaded. */
  readonly restored: number
  /** Everything in the document is in the database too. */
  readonly stored: boolean
  /** The history it is a copy of; '' when not known. Known once loaded. */
  readonly epoch: string
  /**
   * Writes down the history it is a copy of (`epoch`), or since when (ms since 1970) it is laid aside (`retired`), never
   * to be opened again. Does nothing when it is known as the copy of another history than `known`: another tab did that.
   */
  mark(key: 'epoch' | 'retired', value: string | number, known: string): Promise<void>
  /** Goes on in the newest database: it is read, and the whole document is written into it. */
  move(): Promise<boolean>
  /** Those laid aside. */
  kept(): Promise<KeptCopy[]>
  /** How many updates the server has not confirmed: written beside the next update. */
  setPending(count: number): void
}

export interface LocalCopyEvents {
  onError(error: ThexrError): void
  /** `stored` may have changed. */
  onStored(): void
}

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

const committed = (tx: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve()
    tx.onabort = tx.onerror = () => reject(tx.error)
  })

const openDatabase = (name: string): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      reject(new Error('IndexedDB did not open in time'))
    }, OPEN_MS_MAX)
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore('updates', { autoIncrement: true })
      request.result.createObjectStore('custom')
    }
    settled(request)
      .then(
        (db) => (late ? db.close() : resolve(db)),
        (error: unknown) => reject(error),
      )
      .finally(() => clearTimeout(timer))
  })

export const createLocalCopy = (doc: Y.Doc, base: string, events: LocalCopyEvents): LocalCopy => {
  let serial = 0 // of the database in use: those before it were laid aside
  const nameOf = (n: number) => (n ? `${base}~${n}` : base)
  let epoch = ''
  let db: IDBDatabase | null = null
  let broken = false
  let closed = false
  let buffer: Uint8Array[] = []
  let writing: Promise<void> | null = null
  let storing = 0 // updates on their way into the database
  let timer: ReturnType<typeof setTimeout> | null = null
  let rows = 0
  let pending = 0
  let pendingStored = 0
  let restored = 0

  /** Looks at the epoch and writes in one transaction, because another tab may do the same. */
  const mark: LocalCopy['mark'] = async (key, value, known) => {
    await opened
    if (!db || broken || closed) return
    const custom = db.transaction(['custom'], 'readwrite').objectStore('custom')
    await settled(custom.get('epoch'))
      .then((stored = known) => stored === known && custom.put(value, key))
      .catch(fail)
  }

  const fail = (cause: unknown) => {
    if (broken || closed) return
    broken = true
    epoch = ''
    restored = 0
    db?.close()
    buffer = []
    events.onError(
      new ThexrError('STORAGE', 'the copy in this browser cannot be kept', {
        help: 'Editing goes on in memory. Check free space and whether this is a private window.',
        cause,
      }),
    )
    events.onStored()
  }

  /** Replaces all rows by one. Rows of other tabs are read first: they may hold what we never saw. */
  const trim = async (tx: IDBTransaction) => {
    const updates = tx.objectStore('updates')
    const [stored, keys] = await Promise.all([settled(updates.getAll()), settled(updates.getAllKeys())])
    doc.transact(() => {
      for (const update of stored as Uint8Array[]) Y.applyUpdate(doc, update, STORAGE)
    }, STORAGE)
    updates.add(Y.encodeStateAsUpdate(doc))
    const last = keys.at(-1)
    if (last !== undefined) updates.delete(IDBKeyRange.upperBound(last))
    rows = 1
  }

  const write = async () => {
    if (!db || broken) return
    const batch = buffer
    const count = pending
    buffer = []
    storing += batch.length
    try {
      const tx = db.transaction(['updates', 'custom'], 'readwrite', { durability: 'relaxed' })
      const done = committed(tx)
      done.catch(() => {})
      tx.objectStore('custom').put(count, PENDING)
      if (batch.length > 0) tx.objectStore('updates').add(Y.mergeUpdates(batch))
      if (batch.length > 0 && ++rows > ROWS_MAX) await trim(tx)
      await done
      pendingStored = count
    } catch (error) {
      fail(error)
    } finally {
      storing -= batch.length
    }
  }

  const startWrite = () =>
    (writing ??= write().finally(() => {
      writing = null
      events.onStored()
    }))

  const flush = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    await opened
    while (!broken && !closed && (writing || buffer.length > 0 || pending !== pendingStored)) {
      await startWrite()
      await opened
    }
  }

  /** Starts the write in this very task: the page may be gone in the next. */
  const onHide = () => {
    if (buffer.length > 0) void write().finally(events.onStored)
  }

  const schedule = () => {
    if (!broken && !closed) timer ??= setTimeout(() => void flush(), WRITE_EVERY_MS)
  }

  const onUpdate = (update: Uint8Array, origin: unknown) => {
    if (origin === STORAGE || broken || closed) return
    buffer.push(update)
    schedule()
  }

  /** Opens the first database that is not laid aside. What is in the document already is written into it. */
  const load = async (): Promise<boolean> => {
    if (doc.store.clients.size > 0) buffer = [Y.encodeStateAsUpdate(doc)]
    try {
      const next = await openDatabase(nameOf(serial))
      const tx = next.transaction(['updates', 'custom'], 'readonly')
      const custom = (key: string): Promise<unknown> => settled(tx.objectStore('custom').get(key))
      let updates, retired
      ;[updates, restored = 0, epoch = '', retired] = (await Promise.all([
        settled(tx.objectStore('updates').getAll()),
        custom(PENDING),
        custom('epoch'),
        custom('retired'),
      ])) as [Uint8Array[], number?, string?, unknown?]
      if (retired) {
        next.close()
        serial++
        return load()
      }
      db = next
      db.onversionchange = () => fail(new Error('the database was deleted'))
      rows = updates.length
      pending += restored
      pendingStored = restored
      doc.transact(() => {
        for (const update of updates) Y.applyUpdate(doc, update, STORAGE)
      }, STORAGE)
      if (buffer.length > 0) schedule()
      return rows > 0
    } catch (error) {
      fail(error)
      return false
    }
  }

  const move = () =>
    (opened = opened.then(async () => {
      while (writing) await writing
      if (broken || closed) return false
      db?.close()
      db = null
      return load()
    }))

  doc.on('update', onUpdate)
  globalThis.addEventListener?.('pagehide', onHide)
  let opened = load()

  const close = () => {
    closed = true
    doc.off('update', onUpdate)
    globalThis.removeEventListener?.('pagehide', onHide)
    if (timer !== null) clearTimeout(timer)
    db?.close()
  }

  return {
    loaded: opened,
    get restored() {
      return restored
    },
    get epoch() {
      return epoch
    },
    mark,
    move,
    kept: async () => {
      await opened
      const { keptCopies } = await import('./copies.js')
      return keptCopies((n) => openDatabase(nameOf(n)), Y.mergeUpdates)
    },
    get stored() {
      return !broken && db !== null && buffer.length === 0 && storing === 0
    },
    setPending: (count) => {
      pending = count
      if (pending !== pendingStored && db) schedule()
    },
    flush,
    clear: async () => {
      await opened
      await writing
      close()
      if (broken) return
      for (let n = 0; n <= serial + AHEAD_MAX; n++)
        await settled(indexedDB.deleteDatabase(nameOf(n))).catch(() => {})
    },
    destroy: async () => {
      if (closed) return
      await flush()
      close()
    },
  }
}
