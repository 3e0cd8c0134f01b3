// Copies of histories that a space has no more: laid aside, never merged by themselves. Loaded when asked for.
import type { KeptCopy } from './types.js'

const got = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

/** The databases that are laid aside, the oldest first. The keys are those of `offline.ts`. */
export const keptCopies = async (
  open: (n: number) => Promise<IDBDatabase>,
  merge: (updates: Uint8Array[]) => Uint8Array,
): Promise<KeptCopy[]> => {
  const look = async <T>(n: number, read: (tx: IDBTransaction) => Promise<T>): Promise<T> => {
    const db = await open(n)
    try {
      return await read(db.transaction(['updates', 'custom'], 'readonly'))
    } finally {
      db.close()
    }
  }
  const kept: KeptCopy[] = []
  for (let n = 0; ; n++) {
    const [epoch, at] = await look(n, (tx) => {
      const custom = tx.objectStore('custom')
      return Promise.all([got<unknown>(custom.get('epoch')), got<unknown>(custom.get('retired'))])
    })
    if (typeof at !== 'number') return kept // in use: the last one
    kept.push({
      epoch: typeof epoch === 'string' ? epoch : '',
      at: new Date(at),
      read: () =>
        look(n, async (tx) => {
          const updates = (await got(tx.objectStore('updates').getAll())) as Uint8Array[]
          return updates.length > 0 ? merge(updates) : new Uint8Array(2) // no structs, no deletions
        }),
    })
  }
}
