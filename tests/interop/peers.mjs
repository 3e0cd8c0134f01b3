// Stock Yjs clients that a Rust test drives: one JSON command per line in, one JSON answer per line out.
//   node peers.mjs ws://127.0.0.1:4000/sync hall 2
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'
import WebSocket from 'ws'
import { createInterface } from 'node:readline'

const [url, space, count] = process.argv.slice(2)
const peers = Array.from({ length: Number(count) }, () => {
  const doc = new Y.Doc()
  // Roots are named before anything comes in, as an application does.
  doc.getMap('entities')
  const provider = new WebsocketProvider(url, space, doc, { WebSocketPolyfill: WebSocket, disableBc: true })
  return { doc, provider }
})

/** `{"$bytes": […]}` stands for a Uint8Array. */
const value = v => {
  if (Array.isArray(v)) return v.map(value)
  if (v === null || typeof v !== 'object') return v
  if (Array.isArray(v.$bytes)) return new Uint8Array(v.$bytes)
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, value(x)]))
}
/** What the server prints (SPEC H3): bytes as base64. */
const json = v => {
  if (v instanceof Uint8Array) return Buffer.from(v).toString('base64')
  if (Array.isArray(v)) return v.map(json)
  if (v === null || v === undefined) return null
  if (typeof v !== 'object') return v
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, json(x)]))
}
const document = doc => {
  const entities = json(doc.getMap('entities').toJSON())
  const strokes = {}
  for (const name of doc.share.keys()) {
    if (!name.startsWith('strokes:')) continue
    const all = doc.getArray(name).toArray().map(json)
    if (all.length > 0) strokes[name.slice(8)] = all
  }
  return { entities, strokes }
}
const clocks = doc => [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort((a, b) => a[0] - b[0])

/** Resolves once `ready` is true; asks again after every event of the document and the provider. */
const until = ({ doc, provider }, ready) => new Promise(resolve => {
  const check = () => {
    if (!ready()) return
    doc.off('afterTransaction', check)
    provider.off('sync', check)
    provider.off('status', check)
    provider.awareness.off('change', check)
    resolve()
  }
  doc.on('afterTransaction', check)
  provider.on('sync', check)
  provider.on('status', check)
  provider.awareness.on('change', check)
  check()
})

const commands = {
  synced: async peer => until(peer, () => peer.provider.synced),
  set: ({ doc }, { entity, component, to }) => doc.transact(() => {
    const entities = doc.getMap('entities')
    if (!(entities.get(entity) instanceof Y.Map)) entities.set(entity, new Y.Map())
    entities.get(entity).set(component, value(to))
  }),
  remove: ({ doc }, { entity, component }) => doc.getMap('entities').get(entity)?.delete(component),
  delete: ({ doc }, { entity }) => doc.transact(() => {
    doc.getMap('entities').delete(entity)
    const board = doc.getArray(`strokes:${entity}`)
    board.delete(0, board.length)
  }),
  stroke: ({ doc }, { entity, stroke }) => doc.getArray(`strokes:${entity}`).push([value(stroke)]),
  erase: ({ doc }, { entity, index }) => {
    const board = doc.getArray(`strokes:${entity}`)
    if (board.length > 0) board.delete(index % board.length)
  },
  disconnect: ({ provider }) => provider.disconnect(),
  connect: ({ provider }) => provider.connect(),
  say: ({ provider }, { state }) => provider.awareness.setLocalState(state),
  id: ({ doc }) => doc.clientID,
  clocks: ({ doc }) => clocks(doc),
  /** Waits for these clocks, then tells the content. */
  content: async (peer, { at }) => {
    const wanted = JSON.stringify(at)
    await until(peer, () => JSON.stringify(clocks(peer.doc)) === wanted && !peer.doc.store.pendingStructs && !peer.doc.store.pendingDs)
    return document(peer.doc)
  },
  /** Waits until a client is heard of (or no more) and tells its state. */
  heard: async ({ doc, provider }, { client, gone }) => {
    await until({ doc, provider }, () => provider.awareness.getStates().has(client) !== Boolean(gone))
    return provider.awareness.getStates().get(client) ?? null
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { op, peer, ...rest } = JSON.parse(line)
  const answer = await commands[op](peers[peer], rest)
  process.stdout.write(JSON.stringify(op === 'content' || op === 'clocks' || op === 'id' || op === 'heard' ? answer : true) + '\n')
}
process.exit(0)
