// What goes wrong at the edge of the connection; all against the interop peer, which can be told to misbehave.
import { expect, onTestFinished, test, vi } from 'vitest'
import { connect, ThexrError } from '../src/index.js'
import type { TokenReason } from '../src/index.js'
import { freshName, nextStatus, NodeSocket, open, until } from './support/client.js'
import { createPeer } from './support/peer.js'
import { createProxy } from './support/proxy.js'

const peerWith = async (acks: boolean) => {
  const peer = await createPeer({ acks })
  onTestFinished(() => peer.stop().catch(() => {}))
  return peer
}

test('a stock server syncs, but nothing is ever called saved, and the link does not flap', async () => {
  const peer = await peerWith(false)
  const name = freshName()
  const [ann, bob] = [open(peer.url, name), open(peer.url, name)]
  await Promise.all([ann.synced, bob.synced])
  const states: string[] = []
  ann.on('status', ({ state }) => states.push(state))
  ann.entities.create({ name: 'x' }, { id: 'x' })
  await until(() => bob.entities.has('x'), 'bob has it')
  const asked = peer.asked
  await until(() => peer.asked >= asked + 4, 'both were idle and probed, twice', 10_000)
  expect(ann.saveState).toBe('unsaved')
  expect(ann.pending).toBe(1)
  expect(states).toEqual([])
  await expect(ann.saved({ timeout: 20 })).rejects.toThrow('not saved within 20 ms')
})

test('a close code from 4400 to 4499 is terminal, and reconnect() tries again', async () => {
  const peer = await peerWith(true)
  peer.refuse = 4403
  const ann = open(peer.url, freshName(), { token: 'ann' })
  const errors: ThexrError[] = []
  ann.on('error', (error) => errors.push(error))
  await expect(ann.ready).rejects.toMatchObject({ code: 'DENIED', closeCode: 4403, retryable: false })
  expect(ann.status).toMatchObject({ state: 'closed', error: { code: 'DENIED' } })
  expect(errors).toHaveLength(1)
  await expect(ann.saved()).rejects.toMatchObject({ code: 'DENIED' })
  // As long as somebody takes who may come back.
  peer.refuse = 4503
  open(peer.url, freshName(), { token: 'ben' })
  const dials = (token: string) => peer.offered.filter((offered) => offered.includes(`thexr.auth.${token}`))
  await until(() => dials('ben').length === 2, 'ben came back')
  expect(dials('ann')).toHaveLength(1)
  peer.refuse = null
  ann.reconnect()
  await ann.saved({ timeout: 5000 })
  expect(ann.status.state).toBe('online')
})

test('codes from 4500 to 4599 come back later', async () => {
  const peer = await peerWith(true)
  peer.refuse = 4503
  const ann = open(peer.url, freshName())
  await until(() => ann.status.state === 'offline' && ann.status.cause === 'server', 'told to come back')
  expect(ann.status).toMatchObject({
    error: { closeCode: 4503, retryable: true },
    retryAt: expect.any(Number),
  })
  peer.refuse = null
  ann.reconnect()
  await ann.synced
})

test('a subprotocol is offered only with a token', async () => {
  const peer = await peerWith(true)
  await open(peer.url, freshName()).synced
  await open(peer.url, freshName(), { token: 'a.b-c_d' }).synced
  await open(peer.url, freshName(), { token: async () => null }).synced
  expect(peer.offered).toEqual([[], ['thexr.v1', 'thexr.auth.a.b-c_d'], []])
})

test('a token provider that fails is asked again until it works', async () => {
  const peer = await peerWith(true)
  let calls = 0
  const ann = open(peer.url, freshName(), {
    token: async ({ space, reason }) => {
      expect([space, reason]).toEqual([ann.id, 'connect'])
      if (++calls < 3) throw new Error('auth is down')
      return 'token'
    },
  })
  const errors: ThexrError[] = []
  ann.on('error', (error) => errors.push(error))
  await until(() => ann.status.state === 'offline' && ann.status.cause === 'token', 'no token')
  expect(ann.status).toMatchObject({ error: { code: 'TOKEN', retryable: true } })
  await ann.synced
  expect(calls).toBe(3)
  expect(errors.map(({ code }) => code)).toEqual(['TOKEN', 'TOKEN'])
})

test('4401 asks the provider again at once, and is believed the third time', async () => {
  const peer = await peerWith(true)
  peer.refuse = 4401
  const reasons: TokenReason[] = []
  const ann = open(peer.url, freshName(), {
    token: ({ reason }) => {
      reasons.push(reason)
      return 'old'
    },
  })
  await expect(ann.synced).rejects.toMatchObject({ code: 'TOKEN', closeCode: 4401 })
  expect(reasons).toEqual(['connect', 'denied', 'denied'])
})

test('an expired token on a live socket is replaced without a pause', async () => {
  const peer = await peerWith(true)
  const reasons: TokenReason[] = []
  const ann = open(peer.url, freshName(), {
    token: ({ reason }) => {
      reasons.push(reason)
      return 'fresh'
    },
  })
  await ann.synced
  for (const socket of peer.sockets) socket.close(4401, 'token')
  await until(() => peer.offered.length === 2 && ann.status.state === 'online', 'back online')
  expect(reasons).toEqual(['connect', 'expired'])
})

test('a token that cannot be a subprotocol is an error, not a loop', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName(), { token: 'not a token' })
  await until(() => ann.status.state === 'closed', 'closed')
  expect(ann.status).toMatchObject({ error: { code: 'INVALID' } })
})

test('malformed bytes are reported and the client comes back', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName())
  const errors: ThexrError[] = []
  ann.on('error', (error) => errors.push(error))
  await ann.synced
  for (const socket of peer.sockets) socket.send(new Uint8Array([0, 2, 200, 1, 1]))
  await until(() => errors.length === 1, 'reported')
  expect(errors[0]).toMatchObject({ code: 'PROTOCOL', retryable: true })
  ann.reconnect()
  await ann.saved({ timeout: 5000 })
})

test('awareness, unknown messages and text frames do no harm', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName())
  const errors: ThexrError[] = []
  ann.on('error', (error) => errors.push(error))
  await ann.synced
  for (const socket of peer.sockets) {
    socket.send(new Uint8Array([1, 2, 1, 0]))
    socket.send(new Uint8Array([77, 1, 2, 3]))
    socket.send('hello')
  }
  ann.entities.create({ name: 'x' })
  await ann.saved({ timeout: 5000 })
  expect(errors).toEqual([])
})

test('a server that lacks something is given it when it asks', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName())
  await ann.synced
  ann.entities.create({ name: 'x' }, { id: 'x' })
  await ann.saved({ timeout: 5000 })
  peer.docs.delete(ann.id) // as if it had refused the update
  for (const socket of peer.sockets) socket.send(new Uint8Array([0, 0, 1, 0]))
  await until(() => peer.docs.get(ann.id)?.getMap('entities').has('x'), 'it has it again')
})

test('without a WebSocket, or with a bad name, connect says what is wrong', () => {
  const had = globalThis.WebSocket
  Object.assign(globalThis, { WebSocket: undefined })
  try {
    expect(() => connect('http://localhost:1', 'lobby')).toThrow('no WebSocket')
  } finally {
    Object.assign(globalThis, { WebSocket: had })
  }
  expect(() => connect('http://localhost:1', 'No Such', { WebSocket: NodeSocket })).toThrow('not a space id')
})

test('what cannot be a server or a space is refused at the call', () => {
  const bad: [unknown, unknown, string][] = [
    ['http://localhost:1', undefined, 'not a space id'],
    ['http://localhost:1', null, 'not a space id'],
    ['http://localhost:1', 7, 'not a space id'],
    ['http://localhost:1', '', 'not a space id'],
    ['localhost:4100', 'lobby', 'does not begin with http'],
    ['ftp://localhost', 'lobby', 'does not begin with http'],
    ['', 'lobby', 'not a URL'],
    ['/path', 'lobby', 'not a URL'],
    [undefined, 'lobby', 'the URL is undefined'],
    [null, 'lobby', 'the URL is null'],
  ]
  for (const [url, space, message] of bad) {
    let thrown: unknown
    try {
      connect(url as string, space as string, { WebSocket: NodeSocket })
    } catch (error) {
      thrown = error
    }
    expect(thrown, `${String(url)} ${String(space)}`).toBeInstanceOf(ThexrError)
    expect(thrown).toMatchObject({ code: 'INVALID', message: expect.stringContaining(message) })
  }
})

test('a listener that throws is heard by the runtime, not by the space', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName())
  await ann.synced
  const thrown: unknown[] = []
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => thrown.push(error))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of before) process.on('uncaughtException', listener)
  })
  const order: string[] = []
  ann.entities.on('add', () => {
    throw new Error('mine')
  })
  ann.entities.on('add', () => order.push('second'))
  ann.entities.create({ name: 'x' })
  expect(order).toEqual(['second'])
  await until(() => thrown.length === 1, 'heard')
  expect(String(thrown[0])).toBe('Error: mine')
})

test('a listener that disconnects while the socket is being made is obeyed', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName(), { autoConnect: false })
  ann.on('status', ({ state }) => {
    if (state === 'connecting') ann.disconnect()
  })
  ann.connect()
  // Whoever dials after it is there, and ann is not.
  await open(peer.url, freshName()).synced
  expect(ann.status).toMatchObject({ state: 'offline', cause: 'paused' })
  expect(peer.sockets.size).toBe(1)
})

test('the browser’s offline event makes us probe at once, its online event makes us dial at once', async () => {
  const events = new EventTarget()
  for (const name of ['addEventListener', 'removeEventListener'] as const)
    vi.stubGlobal(name, events[name].bind(events))
  onTestFinished(() => void vi.unstubAllGlobals())
  const peer = await peerWith(true)
  const proxy = await createProxy(peer.url)
  onTestFinished(proxy.close)
  const ann = open(proxy.url, freshName())
  await ann.synced
  await ann.saved({ timeout: 5000 })
  proxy.freeze(true)
  events.dispatchEvent(new Event('offline'))
  expect(await nextStatus(ann, 'offline')).toBeLessThan(3000)
  await peer.stop()
  await until(
    () => ann.status.state === 'offline' && (ann.status.retryAt ?? 0) - Date.now() > 2000,
    'a long wait',
    15_000,
  )
  await peer.start()
  proxy.freeze(false)
  events.dispatchEvent(new Event('online'))
  expect(await nextStatus(ann, 'online')).toBeLessThan(500)
})

test('a stock server without presence is asked in vain, and nothing else suffers', async () => {
  const peer = await peerWith(true)
  const ann = open(peer.url, freshName(), { presence: {} })
  const errors: ThexrError[] = []
  ann.on('error', (error) => errors.push(error))
  ann.entities.create({ name: 'x' })
  await ann.saved({ timeout: 5000 })
  await until(() => peer.offered.some((offered) => offered.includes('thexr.p1')), 'asked')
  ann.presence.setPose({ head: { pos: [0, 1.6, 0], rot: [0, 0, 0, 1] } })
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(ann.status.state).toBe('online')
  expect(ann.presence.me).toBeNull()
  expect(errors).toEqual([])
})
