import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { freshName, nextStatus, open, until } from './support/client.js'
import type { Space, Status } from '../src/index.js'
import { createProxy } from './support/proxy.js'
import { startServer } from './support/server.js'
import type { Server } from './support/server.js'

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test('two clients converge, with entities and ink', async () => {
  const name = freshName()
  const [ann, bob] = [open(server.url, name, { user: 'ann' }), open(server.url, name, { user: 'bob' })]
  await Promise.all([ann.synced, bob.synced])
  for (let i = 0; i < 20; i++) {
    ann.entities.create({ transform: { pos: [i, 0, 0], rot: [0, 0, 0, 1] } }, { id: `a${i}` })
    bob.entities.create({ transform: { pos: [0, i, 0], rot: [0, 0, 0, 1] } }, { id: `b${i}` })
  }
  for (const space of [ann, bob]) {
    const pen = space.board().begin({ color: '#ff0000', size: 4 })
    pen.append(1, 2, 1)
    pen.append(3.125, 4, 0)
    pen.end()
  }
  await Promise.all([ann.saved({ timeout: 5000 }), bob.saved({ timeout: 5000 })])
  const state = (space: typeof ann) =>
    JSON.stringify([
      Object.fromEntries([...space.entities].map((e) => [e.id, e.toJSON()]).sort()),
      space.board().strokes.map(({ id, by, points }) => ({ id, by, points })),
    ])
  await until(() => state(ann) === state(bob), 'both have the same')
  expect(ann.entities.size).toBe(41)
  expect(
    ann
      .board()
      .strokes.map(({ by }) => by)
      .sort(),
  ).toEqual(['ann', 'bob'])
  expect(ann.board().strokes[0]!.points).toEqual([
    [1, 2, 1],
    [3.125, 4, 0],
  ])
})

test('saved() resolves when the server has confirmed, and what it confirmed survives a kill', async () => {
  const name = freshName()
  const ann = open(server.url, name)
  const states: string[] = []
  ann.on('save', (state) => states.push(state))
  await ann.synced
  await ann.saved({ timeout: 5000 })
  expect(ann.saveState).toBe('saved')
  ann.entities.create({ name: 'kept' }, { id: 'kept' })
  expect(ann.pending).toBe(1)
  expect(ann.saveState).toBe('saving')
  await ann.saved({ timeout: 5000 })
  expect(ann.pending).toBe(0)
  expect(ann.saveState).toBe('saved')
  expect(states.slice(-2)).toEqual(['saving', 'saved'])
  await server.kill()
  await server.restart()
  const bob = open(server.url, name)
  await bob.synced
  expect(bob.entities.get('kept')?.get('name')).toBe('kept')
})

test('edits made while the server is dead arrive when it is back', async () => {
  const name = freshName()
  const ann = open(server.url, name)
  await ann.synced
  ann.entities.create({ name: 'before' }, { id: 'before' })
  await ann.saved({ timeout: 5000 })
  const offline = nextStatus(ann, 'offline')
  await server.kill()
  await offline
  for (let i = 0; i < 50; i++) ann.entities.create({ name: `n${i}` }, { id: `dead${i}` })
  expect(ann.pending).toBe(50)
  expect(ann.saveState).toBe('unsaved')
  await expect(ann.saved({ timeout: 50 })).rejects.toMatchObject({ code: 'NETWORK', retryable: true })
  await server.restart()
  await ann.saved({ timeout: 10_000 })
  expect(ann.status.state).toBe('online')
  const bob = open(server.url, name)
  await bob.synced
  expect(bob.entities.size).toBe(51)
})

test('saved() can be aborted', async () => {
  const ann = open(server.url, freshName(), { autoConnect: false })
  const reason = new Error('enough')
  await expect(ann.saved({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const abort = new AbortController()
  const saved = ann.saved({ signal: abort.signal })
  abort.abort(reason)
  await expect(saved).rejects.toBe(reason)
})

test('a silent link is noticed within five seconds, and edits made on it are not lost', async () => {
  const proxy = await createProxy(server.url)
  onTestFinished(proxy.close)
  const name = freshName()
  const ann = open(proxy.url, name)
  await ann.synced
  await ann.saved({ timeout: 5000 })
  const noticed = nextStatus(ann, 'offline')
  proxy.freeze(true)
  ann.entities.create({ name: 'into the void' }, { id: 'void' })
  expect(await noticed).toBeLessThan(5000)
  expect(ann.pending).toBe(1)
  proxy.freeze(false)
  await ann.saved({ timeout: 10_000 })
  const bob = open(server.url, name)
  await bob.synced
  expect(bob.entities.has('void')).toBe(true)
})

test('an idle link stays online and its round trip is measured', async () => {
  const ann = open(server.url, freshName())
  await ann.synced
  const seen: Status[] = []
  ann.on('status', (status) => seen.push(status))
  const measured = () => seen.filter((status) => status.state === 'online' && status.rttMs !== null)
  await until(() => measured().length >= 2, 'probed twice', 10_000)
  expect(seen.every(({ state }) => state === 'online')).toBe(true)
  expect(ann.status).toMatchObject({ state: 'online', rttMs: expect.any(Number) })
})

test('disconnect pauses, connect resumes, reconnect dials anew', async () => {
  const ann = open(server.url, freshName(), { autoConnect: false })
  expect(ann.status).toEqual({ state: 'offline', cause: 'paused', retryAt: null })
  ann.connect()
  await ann.synced
  ann.disconnect()
  expect(ann.status).toEqual({ state: 'offline', cause: 'paused', retryAt: null })
  ann.entities.create({ name: 'x' }, { id: 'x' })
  ann.connect()
  await ann.saved({ timeout: 5000 })
  ann.reconnect()
  expect(ann.status.state).toBe('connecting')
  await nextStatus(ann, 'online')
})

test('what any other Yjs code writes into doc is synced and saved too', async () => {
  const name = freshName()
  const [ann, bob] = [open(server.url, name), open(server.url, name)]
  await Promise.all([ann.synced, bob.synced])
  ann.entities.create({ name: 'old' }, { id: 'e' })
  await until(() => bob.entities.has('e'), 'bob has it')
  const map = bob.doc.getMap('entities').get('e') as { set(key: string, value: unknown): void }
  map.set('name', 'new')
  await bob.saved({ timeout: 5000 })
  await until(() => ann.entities.get('e')?.get('name') === 'new', 'ann has it')
})

test('a burst of edits in one task is one update', async () => {
  const ann = open(server.url, freshName())
  await ann.synced
  await ann.saved({ timeout: 5000 })
  for (let i = 0; i < 100; i++) ann.entities.create({ name: `${i}` })
  expect(ann.pending).toBe(100)
  await ann.saved({ timeout: 5000 })
  expect(ann.pending).toBe(0)
})

test('destroy is idempotent, flushes what is unsaved, and ends in closed', async () => {
  const name = freshName()
  const ann = open(server.url, name)
  await ann.synced
  ann.entities.create({ name: 'last word' }, { id: 'last' })
  const first = ann.destroy()
  expect(ann.destroy()).toBe(first)
  await first
  expect(ann.status).toEqual({ state: 'closed' })
  expect(() => ann.entities.create({ name: 'too late' })).toThrow('destroyed')
  ann.connect()
  ann.reconnect()
  expect(ann.status).toEqual({ state: 'closed' })
  const bob = open(server.url, name)
  await bob.synced
  expect(bob.entities.has('last')).toBe(true)
})

test('an aborted signal destroys the space, also when it was aborted before', async () => {
  const abort = new AbortController()
  const ann = open(server.url, freshName(), { signal: abort.signal })
  await ann.synced
  abort.abort()
  await until(() => ann.status.state === 'closed', 'closed')
  const bob = open(server.url, freshName(), { signal: abort.signal })
  await until(() => bob.status.state === 'closed', 'closed')
  await expect(bob.ready).rejects.toThrow('destroyed')
})

test('several people write while the server dies and comes back: all converge', async () => {
  const name = freshName()
  const people: Space[] = [1, 2, 3].map(() => open(server.url, name))
  await Promise.all(people.map(({ synced }) => synced))
  let n = 0
  const timer = setInterval(() => people[n % 3]!.entities.create({ name: `${n}` }, { id: `e${n++}` }), 5)
  await until(() => n > 50, 'writing')
  await server.kill()
  await until(() => n > 100, 'writing on')
  await server.restart()
  await until(() => n > 150, 'writing on')
  clearInterval(timer)
  await Promise.all(people.map((space) => space.saved({ timeout: 10_000 })))
  await until(() => people.every((space) => space.entities.size === n), 'everybody has everything')
})
