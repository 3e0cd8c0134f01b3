// A space that is made anew: the old copy is kept, and merged only by who says so.
import 'fake-indexeddb/auto'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import type { Space } from '../src/index.js'
import { createLocalCopy } from '../src/offline.js'
import { freshName, open, until } from './support/client.js'
import { createPeer } from './support/peer.js'
import { startServer } from './support/server.js'
import type { Server } from './support/server.js'

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const makeAnew = async (id: string) => {
  const at = `${server.url}/api/v1/spaces`
  expect((await fetch(`${at}/${id}`, { method: 'DELETE' })).status).toBe(204)
  const made = await fetch(at, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id }),
  })
  expect(made.status).toBe(201)
}

const closedBy = (space: Space) =>
  until(() => space.status.state === 'closed' && space.status.error?.code === 'REPLACED', 'refused')

/** Ann has a copy with an edit that the server never saw, and meanwhile the space was made anew. */
const stale = async (offline: boolean) => {
  const name = freshName()
  const ann = open(server.url, name, { offline, user: 'ann' })
  await ann.synced
  ann.entities.create({ name: 'seen' }, { id: 'seen' })
  await ann.saved({ timeout: 5000 })
  ann.disconnect()
  ann.entities.create({ name: 'unseen' }, { id: 'unseen' })
  await makeAnew(name)
  const bob = open(server.url, name, { user: 'bob' })
  await bob.synced
  bob.entities.create({ name: 'new' }, { id: 'new' })
  await bob.saved({ timeout: 5000 })
  ann.connect()
  await closedBy(ann)
  return { name, ann, bob }
}

test('an old copy is refused, kept, and can be read; the next visit begins anew', async () => {
  const { name, ann, bob } = await stale(true)
  expect(ann.entities.size).toBe(2)
  expect([...bob.entities].map(({ id }) => id)).toEqual(['new'])
  await ann.destroy()

  const again = open(server.url, name, { offline: true, user: 'ann' })
  await again.synced
  expect([...again.entities].map(({ id }) => id)).toEqual(['new'])
  const kept = await again.keptCopies()
  expect(kept.length).toBe(1)
  expect(kept[0]!.epoch).toMatch(/^[0-9a-f]{32}$/)
  const doc = new Y.Doc()
  Y.applyUpdate(doc, await kept[0]!.read())
  expect([...doc.getMap('entities').keys()].sort()).toEqual(['seen', 'unseen'])

  again.disconnect()
  await makeAnew(name)
  again.connect()
  await closedBy(again)
  await again.destroy()
  const third = open(server.url, name, { offline: true, user: 'ann' })
  await third.synced
  expect(third.entities.size).toBe(0)
  expect((await third.keptCopies()).length).toBe(2)
})

test('who says so brings an old copy into the new space', async () => {
  const { name, ann, bob } = await stale(true)
  ann.adopt()
  await ann.saved({ timeout: 5000 })
  await until(() => bob.entities.size === 3, 'both')
  expect(ann.entities.size).toBe(3)
  await ann.destroy()
  const again = open(server.url, name, { offline: true, user: 'ann', autoConnect: false })
  await again.ready
  expect(again.entities.size).toBe(3)
  expect((await again.keptCopies()).length).toBe(1)
})

/** What the next visit finds on this device, without asking the server. */
const nextVisit = async (name: string) => {
  const next = open(server.url, name, { offline: true, user: 'ann', autoConnect: false })
  await next.ready
  return { ids: [...next.entities].map(({ id }) => id).sort(), pending: next.pending }
}

/** Ann in a second tab that has the same copy and was not told yet that the space was made anew. */
const twoTabs = async () => {
  const name = freshName()
  const options = { offline: true, user: 'ann' }
  const [a, b] = [open(server.url, name, options), open(server.url, name, options)]
  await Promise.all([a.synced, b.synced])
  a.entities.create({ name: 'seen' }, { id: 'seen' })
  await a.saved({ timeout: 5000 })
  await until(() => b.entities.size === 1, 'b has it')
  a.disconnect()
  b.disconnect()
  await makeAnew(name)
  a.connect()
  await closedBy(a)
  return { name, a, b }
}

const editOffline = async (space: Space, id: string) => {
  space.disconnect()
  ;(space as ReturnType<typeof open>).entities.create({ name: id }, { id })
  await until(() => space.saveState === 'local', 'kept')
}

// Regression: the second tab laid the copy aside under the first, and its unsent edits with it.
test('a tab that is refused does not lay aside what another tab has adopted', async () => {
  const { name, a, b } = await twoTabs()
  a.adopt()
  await a.saved({ timeout: 5000 })
  b.connect()
  await closedBy(b)
  await editOffline(a, 'unsent')
  await Promise.all([a.destroy(), b.destroy()])
  expect(await nextVisit(name)).toEqual({ ids: ['seen', 'unsent'], pending: 1 })
})

// Regression: the old database came back into use, and nobody looked behind it.
test('adopting an old copy does not hide what another tab wrote since', async () => {
  const { name, a, b } = await twoTabs()
  await a.destroy()
  const again = open(server.url, name, { offline: true, user: 'ann' })
  await again.synced
  await editOffline(again, 'unsent')
  b.connect()
  await closedBy(b)
  b.adopt()
  await b.saved({ timeout: 5000 })
  expect([...b.entities].map(({ id }) => id).sort()).toEqual(['seen', 'unsent'])
  await Promise.all([again.destroy(), b.destroy()])
  expect((await nextVisit(name)).ids).toEqual(['seen', 'unsent'])
})

test('a copy is laid aside only as the copy of the history that was refused', async () => {
  const name = freshName()
  const events = { onError: () => {}, onStored: () => {} }
  const copyOf = async () => {
    const copy = createLocalCopy(new Y.Doc(), name, events)
    await copy.loaded
    return copy
  }
  const [one, two] = [await copyOf(), await copyOf()]
  await one.mark('epoch', 'new', 'new')
  await two.mark('epoch', 'old', 'old')
  await two.mark('retired', 1, 'old')
  expect(await one.kept()).toEqual([])
  await one.mark('retired', 1, 'new')
  expect((await one.kept()).map(({ epoch }) => epoch)).toEqual(['new'])
  await Promise.all([one.destroy(), two.destroy()])
})

test('a server that names another history on an open socket is refused as one that closes it', async () => {
  const peer = await createPeer({ acks: true })
  onTestFinished(() => peer.stop())
  peer.epoch = 'one'
  const ann = open(peer.url, freshName())
  await ann.synced
  ann.disconnect()
  ann.entities.create({ name: 'unseen' }, { id: 'unseen' })
  peer.epoch = 'two'
  peer.docs.clear()
  ann.connect()
  await closedBy(ann)
  expect(peer.docs.get(ann.id)!.getMap('entities').size).toBe(0)
})

test('deleteLocal deletes what was laid aside as well', async () => {
  const { name, ann } = await stale(true)
  await ann.destroy()
  const again = open(server.url, name, { offline: true, user: 'ann' })
  await again.synced
  await again.destroy({ deleteLocal: true })
  const names = (await indexedDB.databases()).map((database) => database.name ?? '')
  expect(names.filter((each) => each.includes(name))).toEqual([])
})

test('without a local copy the document in memory is fenced as well', async () => {
  const { ann, bob } = await stale(false)
  expect(bob.entities.size).toBe(1)
  expect(ann.entities.size).toBe(2)
  expect(await ann.keptCopies()).toEqual([])
})
