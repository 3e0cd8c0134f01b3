// Updates above 4 MiB go over HTTP; what the answers mean.
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Space, ThexrError } from '../src/index.js'
import { freshName, open, until } from './support/client.js'
import type { Free } from './support/client.js'
import { createPeer } from './support/peer.js'
import { startThexrWith } from './support/server.js'

const startPeer = async () => {
  const peer = await createPeer({ acks: true })
  onTestFinished(() => peer.stop().catch(() => {}))
  return peer
}

const errorsOf = (space: Space<Free>): ThexrError[] => {
  const errors: ThexrError[] = []
  space.on('error', (error) => errors.push(error))
  return errors
}

const codesOf = (errors: ThexrError[]) => errors.map(({ code }) => code)

/** About 5.6 MB in one update. */
const writeMuch = (space: Space<Free>) => {
  const text = 'x'.repeat(16_000)
  space.transact(() => {
    for (let i = 0; i < 350; i++) space.entities.create({ text: { value: text } }, { id: `big${i}` })
  })
}

/** Counts what `fetch` is asked for. */
const countPosts = () => {
  const spy = vi.spyOn(globalThis, 'fetch')
  onTestFinished(() => spy.mockRestore())
  return () => spy.mock.calls.length
}

test('an update above 4 MiB goes over HTTP, and what follows goes after it', async () => {
  const peer = await startPeer()
  const ann = open(peer.url, freshName())
  await ann.synced
  writeMuch(ann)
  await until(() => peer.posted.length === 1, 'posted')
  ann.entities.create({ name: 'after' }, { id: 'after' })
  await ann.saved({ timeout: 10_000 })
  expect(peer.posted[0]).toBeGreaterThan(4 * 1024 * 1024)
  expect([...peer.docs.get(ann.id)!.getMap('entities').keys()]).toHaveLength(351)
})

for (const [status, code] of [
  [413, 'body_too_large'],
  [409, 'space_full'],
  [404, null],
] as const)
  test(`an update the server will not take (${status} ${code}) is kept, reported and never called saved`, async () => {
    const peer = await startPeer()
    Object.assign(peer, { postStatus: status, postCode: code })
    const ann = open(peer.url, freshName())
    const errors = errorsOf(ann)
    await ann.synced
    writeMuch(ann)
    await expect(ann.saved({ timeout: 5000 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(codesOf(errors)).toEqual(['TOO_LARGE'])
    expect([ann.saveState, ann.status.state]).toEqual(['unsaved', 'online'])
    expect(ann.entities.size).toBe(350)
    ann.history.undo()
    ann.reconnect()
    await ann.saved({ timeout: 5000 })
    expect(ann.saveState).toBe('saved')
    expect(peer.posted).toHaveLength(1)
  })

for (const [status, code, error] of [
  [404, 'no_space', 'NOT_FOUND'],
  [409, 'client_id_reused', 'PROTOCOL'],
  [400, 'bad_update', 'PROTOCOL'],
] as const)
  test(`${status} ${code} is the end`, async () => {
    const peer = await startPeer()
    Object.assign(peer, { postStatus: status, postCode: code })
    const ann = open(peer.url, freshName())
    const errors = errorsOf(ann)
    await ann.synced
    writeMuch(ann)
    await expect(ann.saved({ timeout: 5000 })).rejects.toMatchObject({ code: error, retryable: false })
    expect(ann.status).toMatchObject({ state: 'closed', error: { code: error } })
    expect(codesOf(errors)).toEqual([error])
    expect(peer.posted).toHaveLength(1)
  })

test('what may pass is tried again, later each time', async () => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(1)
  onTestFinished(() => random.mockRestore())
  const peer = await startPeer()
  Object.assign(peer, { postStatus: 503, postCode: 'busy' })
  const ann = open(peer.url, freshName())
  const waits: number[] = []
  ann.on('status', (status) => {
    if (status.state === 'offline') waits.push(status.retryAt! - Date.now())
  })
  const errors = errorsOf(ann)
  await ann.synced
  writeMuch(ann)
  await until(() => waits.length === 3, 'three failures', 15_000)
  peer.postStatus = 200
  await ann.saved({ timeout: 15_000 })
  expect(codesOf(errors)).toEqual(['NETWORK', 'NETWORK', 'NETWORK'])
  expect(waits.map((ms) => Math.round(ms / 1000))).toEqual([1, 2, 4])
  expect(peer.posted).toHaveLength(4)
})

/** Regression: the client sent it again in a tight loop for ever. */
test('a full space is sent a large update once', async ({ skip }) => {
  const starting = startThexrWith('--doc-bytes-max', '1MiB')
  if (!starting) return skip()
  const server = await starting
  onTestFinished(server.close)
  const posts = countPosts()
  const ann = open(server.url, freshName())
  const errors = errorsOf(ann)
  await ann.synced
  writeMuch(ann)
  await expect(ann.saved({ timeout: 10_000 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
  ann.entities.create({ name: 'after' })
  await expect(ann.saved({ timeout: 1500 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
  expect(posts()).toBe(1)
  expect(codesOf(errors)).toEqual(['TOO_LARGE'])
  expect(ann.status.state).toBe('online')
})
