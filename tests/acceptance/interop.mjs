// Two stock y-websocket providers and one @thexr/client in a space. The stock ones need a plain URL and nothing else.
import { connect } from '@thexr/client'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { boardOf, boardOfDocument, startThexr, updatesOf, WebSocket, when } from './support.mjs'

const room = 'mixed'

function stock(server) {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(`${server.url.replace('http', 'ws')}/sync`, room, doc, {
    WebSocketPolyfill: WebSocket,
    disableBc: true,
  })
  const leave = () => {
    provider.destroy()
    doc.destroy() // ends the timer of its awareness
  }
  return { doc, provider, entities: doc.getMap('entities'), leave }
}

const hearEvent = (provider, event) => (look) => {
  provider.on(event, look)
  return () => provider.off(event, look)
}
const synced = ({ provider }) =>
  when('a stock client is synced', hearEvent(provider, 'sync'), () => provider.synced)
const unconnected = ({ provider }) =>
  when('a stock client has noticed', hearEvent(provider, 'status'), () => !provider.wsconnected)

/** An entity as any Yjs program writes one. */
function put({ doc, entities }, id, components) {
  doc.transact(() => entities.set(id, new Y.Map(Object.entries(components))))
}

test('stock providers and @thexr/client agree through absences and a crash', async (t) => {
  const server = await startThexr()
  t.after(() => server.stop())
  const [first, second] = [stock(server), stock(server)]
  t.after(() => [first, second].forEach(({ leave }) => leave()))
  const ours = connect(server.url, room, { WebSocket, offline: false, user: 'ours' })
  t.after(() => ours.destroy({ flush: 0 }))
  await Promise.all([synced(first), synced(second), ours.synced])
  const docs = [first.doc, second.doc, ours.doc]
  const everywhere = (what, holds) =>
    Promise.all(docs.map((doc) => when(what, updatesOf(doc), () => holds(doc))))
  const has = (id) => (doc) => doc.getMap('entities').has(id)

  // All there.
  put(first, 'from-first', { shape: { kind: 'box' } })
  put(second, 'from-second', { text: { value: 'hello' } })
  ours.entities.create({ light: { kind: 'point' } }, { id: 'from-ours' })
  for (const id of ['from-first', 'from-second', 'from-ours']) await everywhere(id, has(id))
  assert.deepEqual(ours.entities.get('from-second').toJSON(), { text: { value: 'hello' } })

  // A stroke of ours is an item of an array like any other.
  const pen = ours.board('wall').begin({ color: '#123456', size: 2 })
  for (let n = 0; n < 50; n++) pen.append(n, n * n, 0.5)
  const stroke = pen.end()
  await everywhere('a stroke', (doc) => doc.getArray('strokes:wall').length === 1)
  assert.equal(first.doc.getArray('strokes:wall').get(0).id, stroke.id)

  // One stock client away, then ours; both write meanwhile, on the same entity too.
  first.provider.disconnect()
  put(first, 'alone', { spawn: { radius: 2 } })
  first.entities.get('from-ours').set('light', { kind: 'spot', intensity: 3 })
  second.entities.get('from-first').set('material', { color: '#ff0000' })
  ours.entities.get('from-first').set('shape', { kind: 'sphere' })
  await ours.saved({ timeout: 10_000 })
  ours.disconnect()
  ours.entities.delete('from-second')
  const away = ours.board('wall').begin({ color: '#abcdef', size: 3 })
  away.append(1, 2, 0.3)
  away.end()
  first.provider.connect()
  await when('the first is back', updatesOf(second.doc), () => has('alone')(second.doc))
  ours.connect()
  await everywhere('all absences are over', (doc) => {
    const entities = doc.getMap('entities')
    return entities.has('alone') && !entities.has('from-second') && doc.getArray('strokes:wall').length === 2
  })

  // The server dies while all three write, and they find it again by themselves.
  await server.kill()
  await Promise.all([unconnected(first), unconnected(second)])
  put(first, 'crash-first', { name: 'one' })
  put(second, 'crash-second', { name: 'two' })
  ours.entities.create({ name: 'three' }, { id: 'crash-ours' })
  await server.restart()
  for (const id of ['crash-first', 'crash-second', 'crash-ours']) await everywhere(id, has(id))
  await ours.saved({ timeout: 30_000 })

  const contents = (doc) => doc.getMap('entities').toJSON()
  const truth = contents(ours.doc)
  assert.deepEqual(contents(first.doc), truth)
  assert.deepEqual(contents(second.doc), truth)
  assert.deepEqual(truth['from-first'], { shape: { kind: 'sphere' }, material: { color: '#ff0000' } })
  assert.deepEqual(truth['from-ours'], { light: { kind: 'spot', intensity: 3 } })
  assert.deepEqual(Object.keys(truth).sort(), [
    'alone',
    'crash-first',
    'crash-ours',
    'crash-second',
    'from-first',
    'from-ours',
    'wall',
  ])
  const ink = boardOf(ours.doc, 'wall')
  assert.deepEqual(boardOf(first.doc, 'wall'), ink)
  assert.deepEqual(boardOf(second.doc, 'wall'), ink)
  assert.deepEqual((await server.api('GET', `/spaces/${room}/document`)).entities, truth)
  assert.deepEqual(await boardOfDocument(server, room, 'wall'), ink)

  // And who comes later gets the same, stock or not.
  const late = stock(server)
  t.after(late.leave)
  await synced(late)
  assert.deepEqual(contents(late.doc), truth)
  assert.deepEqual(boardOf(late.doc, 'wall'), ink)
})

test('stock awareness travels between stock clients', async (t) => {
  const server = await startThexr()
  t.after(() => server.stop())
  const [first, second] = [stock(server), stock(server)]
  t.after(() => [first, second].forEach(({ leave }) => leave()))
  await Promise.all([synced(first), synced(second)])
  first.provider.awareness.setLocalState({ cursor: 7 })
  const states = second.provider.awareness
  await when(
    'the cursor',
    hearEvent(states, 'change'),
    () => states.getStates().get(first.doc.clientID)?.cursor === 7,
  )
  first.provider.disconnect()
  await when(
    'the cursor is gone',
    hearEvent(states, 'change'),
    () => !states.getStates().has(first.doc.clientID),
  )
})
