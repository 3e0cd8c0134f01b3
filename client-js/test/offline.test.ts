// The local copy, in a fake IndexedDB, and in broken ones.
import 'fake-indexeddb/auto'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import type { Persistence, ThexrError } from '../src/index.js'
import { createLocalCopy } from '../src/offline.js'
import { freshName, nextStatus, open, until } from './support/client.js'
import { createPeer } from './support/peer.js'
import { startServer } from './support/server.js'
import type { Server } from './support/server.js'

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
afterEach(() => vi.unstubAllGlobals())

const errorsOf = (space: { on(event: 'error', fn: (error: ThexrError) => void): unknown }) => {
  const errors: ThexrError[] = []
  space.on('error', (error) => errors.push(error))
  return errors
}

test('edits made while the server is dead and the tab then closed arrive on the next visit', async () => {
  const name = freshName()
  const first = open(server.url, name, { offline: true, user: 'ann' })
  await first.synced
  first.entities.create({ name: 'online' }, { id: 'online' })
  await first.saved({ timeout: 5000 })
  const offline = nextStatus(first, 'offline')
  await server.kill()
  await offline
  for (let i = 0; i < 50; i++) first.entities.create({ name: `n${i}` }, { id: `e${i}` })
  expect(first.saveState).toBe('unsaved')
  await until(() => first.saveState === 'local', 'in IndexedDB')
  await first.destroy()

  const second = open(server.url, name, { offline: true, user: 'ann' })
  await second.ready // from the copy alone: the server is still dead
  expect(second.entities.size).toBe(51)
  expect([second.pending, second.saveState]).toEqual([50, 'local'])
  await server.restart()
  await second.saved({ timeout: 20_000 })
  expect([second.pending, second.saveState]).toEqual([0, 'saved'])
  const bob = open(server.url, name)
  await bob.synced
  expect(bob.entities.size).toBe(51)

  await second.destroy()
  const third = open(server.url, name, { offline: true, user: 'ann', autoConnect: false })
  await third.ready
  expect(third.pending).toBe(0)
})

// Regression: the state was asked for before the copy had heard of the update.
test('an edit is never called local before it is in the database', async () => {
  const space = open('http://127.0.0.1:1', freshName(), { offline: true, user: 'ann' })
  await space.ready
  await until(() => space.saveState === 'local', 'nothing to store')
  space.entities.create({ name: 'x' })
  expect(space.saveState).toBe('unsaved')
  await until(() => space.saveState === 'local', 'in IndexedDB')
})

test('the copy belongs to a server, a user and a space, and deleteLocal removes it', async () => {
  const name = freshName()
  const ann = open(server.url, name, { offline: true, user: 'ann' })
  await ann.ready
  ann.entities.create({ name: 'x' })
  await until(() => ann.saveState === 'saved', 'saved')
  await ann.destroy()
  const names = async () => (await indexedDB.databases()).map((database) => database.name)
  expect(await names()).toContain(`thexr:${server.url}:ann:${name}`)
  const bob = open(server.url, name, { offline: true, user: 'bob', autoConnect: false })
  await until(() => bob.saveState === 'local', 'bob has read his copy')
  expect(bob.entities.size).toBe(0)
  const again = open(server.url, name, { offline: true, user: 'ann', autoConnect: false })
  await again.ready
  expect(again.entities.size).toBe(1)
  await again.destroy({ deleteLocal: true })
  expect(await names()).not.toContain(`thexr:${server.url}:ann:${name}`)
})

test('a space never visited is usable once the first dial has failed', async () => {
  const space = open('http://127.0.0.1:1', freshName(), { offline: true, user: 'ann' })
  await space.ready
  expect(space.status.state).toBe('offline')
})

test('many writes are merged into few rows and trimmed, and nothing is lost', async () => {
  const doc = new Y.Doc()
  const events = { onError: vi.fn(), onStored: vi.fn() }
  const copy = createLocalCopy(doc, freshName(), events)
  onTestFinished(() => copy.destroy())
  expect(await copy.loaded).toBe(false)
  for (let i = 0; i < 250; i++) {
    doc.getMap('m').set('k', i)
    await copy.flush()
  }
  expect(copy.stored).toBe(true)
  expect(events.onError).not.toHaveBeenCalled()
  await copy.destroy()
})

test('two tabs that keep one copy do not lose each other’s rows when one trims', async () => {
  const events = { onError: vi.fn(), onStored: vi.fn() }
  const name = freshName()
  const [one, two] = [new Y.Doc(), new Y.Doc()]
  const [first, second] = [createLocalCopy(one, name, events), createLocalCopy(two, name, events)]
  await Promise.all([first.loaded, second.loaded])
  two.getMap('m').set('from two', true)
  await second.flush()
  for (let i = 0; i < 210; i++) {
    one.getMap('m').set('from one', i)
    await first.flush()
  }
  await Promise.all([first.destroy(), second.destroy()])
  const three = new Y.Doc()
  const third = createLocalCopy(three, name, events)
  expect(await third.loaded).toBe(true)
  expect(three.getMap('m').toJSON()).toEqual({ 'from one': 209, 'from two': true })
  await third.destroy()
  expect(events.onError).not.toHaveBeenCalled()
})

test('a document that held something before the copy was opened is stored too', async () => {
  const name = freshName()
  const doc = new Y.Doc()
  doc.getMap('entities').set('old', new Y.Map([['name', 'x']]))
  const space = open('http://127.0.0.1:1', name, { doc, offline: { name }, autoConnect: false })
  await until(() => space.saveState === 'local', 'stored')
  await space.destroy()
  const again = open('http://127.0.0.1:1', name, { offline: { name }, autoConnect: false })
  await again.ready
  expect(again.entities.has('old')).toBe(true)
})

const brokenDatabases: [string, () => unknown][] = [
  [
    'throws',
    () => {
      throw new DOMException('private window', 'SecurityError')
    },
  ],
  [
    'fails',
    () => {
      const request = { error: new DOMException('full', 'QuotaExceededError'), onerror: () => {} }
      setTimeout(() => request.onerror(), 5)
      return request
    },
  ],
  ['never answers', () => ({})],
]
test.each(brokenDatabases)(
  'an IndexedDB that %s gives one STORAGE error and syncing goes on',
  async (_, open_) => {
    vi.stubGlobal('indexedDB', { open: open_ })
    const name = freshName()
    const ann = open(server.url, name, { offline: true, user: 'ann' })
    const errors = errorsOf(ann)
    ann.entities.create({ name: 'early' }, { id: 'early' })
    await ann.synced
    expect(errors.map(({ code }) => code)).toEqual(['STORAGE'])
    ann.entities.create({ name: 'x' }, { id: 'x' })
    await ann.saved({ timeout: 5000 })
    expect(ann.saveState).toBe('saved')
    ann.disconnect()
    ann.entities.create({ name: 'y' })
    expect(ann.saveState).toBe('unsaved')
    await ann.destroy()
    expect(errors).toHaveLength(1)
  },
)

test('a copy that breaks while in use is reported once, and what it held counts as unsaved', async () => {
  const space = open('http://127.0.0.1:1', freshName(), { offline: true, user: 'ann', autoConnect: false })
  const errors = errorsOf(space)
  space.entities.create({ name: 'x' })
  await until(() => space.saveState === 'local', 'stored')
  vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError')
  })
  onTestFinished(() => void vi.restoreAllMocks())
  space.entities.create({ name: 'y' })
  await until(() => errors.length > 0, 'reported')
  space.entities.create({ name: 'z' })
  expect([errors.length, errors[0]!.code, space.saveState]).toEqual([1, 'STORAGE', 'unsaved'])
})

test('a persistence of one’s own is loaded before the first dial and cleaned up', async () => {
  const peer = await createPeer({ acks: true })
  onTestFinished(() => peer.stop().catch(() => {}))
  const calls: string[] = []
  const offline = (doc: Y.Doc): Persistence => ({
    loaded: (async () => {
      // Whoever dials now is there before us.
      await open(peer.url, freshName(), { token: 'ben' }).synced
      expect(peer.offered).toEqual([['thexr.v1', 'thexr.auth.ben']])
      doc.getMap('entities').set('mine', new Y.Map([['name', 'x']]))
      return true
    })(),
    flush: async () => {},
    clear: async () => void calls.push('clear'),
    destroy: async () => void calls.push('destroy'),
  })
  const space = open(peer.url, freshName(), { offline })
  expect(space.status).toEqual({ state: 'connecting', attempt: 0 })
  await space.ready
  await space.saved({ timeout: 5000 })
  expect(peer.docs.get(space.id)!.getMap('entities').has('mine')).toBe(true)
  await space.destroy()
  expect(calls).toEqual(['destroy'])
})

test('a persistence of one’s own that fails is reported and does not hold anything up', async () => {
  const offline = (): Persistence => ({
    loaded: Promise.reject(new Error('no disk')),
    flush: async () => {},
    clear: async () => {},
    destroy: async () => {},
  })
  const space = open(server.url, freshName(), { offline })
  const errors = errorsOf(space)
  await space.synced
  expect(errors.map(({ code }) => code)).toEqual(['STORAGE'])
})
