// Frames of the sync channel: plain y-websocket, plus message 102. Knows bytes, not documents.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** Larger updates go over HTTP: the server closes sockets that send more in one message. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024
/** What the HTTP way takes at most. */
export const BULK_BYTES_MAX = 16 * 1024 * 1024

export type Message =
  | { kind: 'step1'; stateVector: Uint8Array }
  | { kind: 'step2'; update: Uint8Array }
  | { kind: 'update'; update: Uint8Array }
  | { kind: 'denied'; reason: string }
  | { kind: 'echo'; serial: number }
  | { kind: 'epoch'; epoch: string }
  /** Awareness and whatever else a server may say that does not concern us. */
  | { kind: 'other' }

const SYNC = 0
const AWARENESS = 1
const AUTH = 2
const QUERY_AWARENESS = 3
export const PRESENCE = 84
export const REPLAY = 103
const SAVED = 102
const EPOCH = 105

const syncFrame =
  (type: number) =>
  (body: Uint8Array): Uint8Array => {
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, SYNC)
    encoding.writeVarUint(encoder, type)
    encoding.writeVarUint8Array(encoder, body)
    return encoding.toUint8Array(encoder)
  }

export const step1Frame = syncFrame(0)
export const step2Frame = syncFrame(1)
export const updateFrame = syncFrame(2)

/** Asks the server to echo `serial` once everything before it is durable. */
export const savedFrame = (serial: number): Uint8Array => {
  const payload = encoding.encode((encoder) => encoding.writeVarUint(encoder, serial))
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, SAVED)
    encoding.writeVarUint8Array(encoder, payload)
  })
}

const readMessage = (decoder: decoding.Decoder): Message | null => {
  switch (decoding.readVarUint(decoder)) {
    case SYNC: {
      const type = decoding.readVarUint(decoder)
      const body = decoding.readVarUint8Array(decoder)
      if (type === 0) return { kind: 'step1', stateVector: body }
      if (type === 1) return { kind: 'step2', update: body }
      if (type === 2) return { kind: 'update', update: body }
      return { kind: 'other' }
    }
    case AWARENESS:
    case PRESENCE:
      decoding.readVarUint8Array(decoder)
      return { kind: 'other' }
    case AUTH:
      return decoding.readVarUint(decoder) === 0
        ? { kind: 'denied', reason: decoding.readVarString(decoder) }
        : null
    case QUERY_AWARENESS:
      return { kind: 'other' }
    case SAVED: {
      const payload = decoding.createDecoder(decoding.readVarUint8Array(decoder))
      return { kind: 'echo', serial: decoding.readVarUint(payload) }
    }
    case EPOCH:
      return { kind: 'epoch', epoch: decoding.readVarString(decoder) }
    default:
      return null // of unknown length, so what follows in this frame cannot be read either
  }
}

/** The messages of one WebSocket frame, in order. Throws where bytes are malformed. */
export function* readFrame(frame: Uint8Array): Generator<Message> {
  const decoder = decoding.createDecoder(frame)
  while (decoding.hasContent(decoder)) {
    const message = readMessage(decoder)
    if (!message) return
    yield message
  }
}
