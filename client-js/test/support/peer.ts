// A stock y-protocols server in memory, with switches: it can answer message 102 as Thexr does, refuse with a
// close code, or say what it received. It stands for "any Yjs server"; Thexr itself is in thexr.ts.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import * as Y from 'yjs'

export interface Peer {
  readonly url: string
  readonly docs: Map<string, Y.Doc>
  /** Sockets open now. */
  readonly sockets: Set<WebSocket>
  /** SyncStep1 received so far: a server without acks is probed with them. */
  asked: number
  /** Subprotocols offered by each connection so far. */
  readonly offered: string[][]
  /** Sizes of the updates that came by POST. */
  readonly posted: number[]
  /** Answer message 102. */
  acks: boolean
  /** Close every new connection with this code. */
  refuse: number | null
  /** Name this history to whoever connects (message 105). */
  epoch: string | null
  /** Answers of the HTTP endpoint, and the `code` of its problem. */
  postStatus: number
  postCode: string | null
  stop(): Promise<void>
  start(): Promise<void>
}

const frame = (type: number, body: Uint8Array) =>
  encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, 0)
    encoding.writeVarUint(encoder, type)
    encoding.writeVarUint8Array(encoder, body)
  })

const epochFrame = (epoch: string) =>
  encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, 105)
    encoding.writeVarString(encoder, epoch)
  })

export const createPeer = async (options: { acks: boolean }): Promise<Peer> => {
  const docs = new Map<string, Y.Doc>()
  const rooms = new Map<string, Set<WebSocket>>()
  let http = createServer()
  let port = 0

  const docOf = (room: string) => {
    let doc = docs.get(room)
    if (!doc) {
      doc = new Y.Doc()
      docs.set(room, doc)
      doc.on('update', (update: Uint8Array, origin: unknown) => {
        for (const socket of rooms.get(room) ?? []) if (socket !== origin) socket.send(frame(2, update))
      })
    }
    return doc
  }

  const onMessage = (room: string, socket: WebSocket, data: Uint8Array) => {
    const decoder = decoding.createDecoder(data)
    const doc = docOf(room)
    const type = decoding.readVarUint(decoder)
    if (type === 102 && peer.acks) socket.send(data)
    if (type !== 0) return
    const step = decoding.readVarUint(decoder)
    const body = decoding.readVarUint8Array(decoder)
    if (step === 0) peer.asked++
    if (step === 0) socket.send(frame(1, Y.encodeStateAsUpdate(doc, body)))
    else Y.applyUpdate(doc, body, socket)
  }

  const start = async () => {
    http = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const body = Buffer.concat(parts)
        const room = request.url?.match(/\/api\/v1\/spaces\/([^/]+)\/update$/)?.[1]
        peer.posted.push(body.length)
        if (room && peer.postStatus === 200) Y.applyUpdate(docOf(room), body)
        const answer = peer.postStatus === 200 ? { seq: 1 } : { code: peer.postCode }
        response
          .writeHead(peer.postStatus, { 'content-type': 'application/json' })
          .end(JSON.stringify(answer))
      })
    })
    const server = new WebSocketServer({
      server: http,
      // A stock server does not know subprotocols; ours echoes thexr.v1 only.
      handleProtocols: (protocols) => (protocols.has('thexr.v1') ? 'thexr.v1' : false),
    })
    server.on('connection', (socket, request) => {
      peer.offered.push((request.headers['sec-websocket-protocol'] ?? '').split(/, */).filter(Boolean))
      if (peer.refuse !== null) return socket.close(peer.refuse, 'refused')
      const room = (request.url ?? '').split('?')[0]!.split('/').at(-1)!
      const members = rooms.get(room) ?? new Set()
      rooms.set(room, members.add(socket))
      peer.sockets.add(socket)
      socket.binaryType = 'nodebuffer'
      socket.on('error', () => {})
      socket.on('message', (data) => onMessage(room, socket, data as Buffer))
      socket.on('close', () => {
        members.delete(socket)
        peer.sockets.delete(socket)
      })
      if (peer.epoch !== null) socket.send(epochFrame(peer.epoch))
      socket.send(frame(0, Y.encodeStateVector(docOf(room))))
    })
    await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve))
    port = (http.address() as AddressInfo).port
  }

  const peer: Peer = {
    get url() {
      return `http://127.0.0.1:${port}`
    },
    docs,
    sockets: new Set(),
    asked: 0,
    offered: [],
    posted: [],
    acks: options.acks,
    refuse: null,
    epoch: null,
    postStatus: 200,
    postCode: null,
    start,
    stop: async () => {
      for (const socket of peer.sockets) socket.terminate()
      peer.sockets.clear()
      rooms.clear()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
  await start()
  return peer
}
