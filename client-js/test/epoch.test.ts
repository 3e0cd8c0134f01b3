// A space that is made anew: the old copy is kept, and merged only by who says so.
import 'fake-indexeddb/auto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Space } from '../src/index.js'
import { freshName, open, until } from './support/client.js'
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
  expect(await again.keptCopies()).toEqual([])
})

test('without a local copy the document in memory is fenced as well', async () => {
  const { ann, bob } = await stale(false)
  expect(bob.entities.size).toBe(1)
  expect(ann.entities.size).toBe(2)
  expect(await ann.keptCopies()).toEqual([])
})
