// Strokes while they are drawn: their points travel through presence, in chunks of which only the last one
// still changes. When the stroke is written into the document that one counts.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { packPoints, POINTS_MAX, unpackPoints } from './ink.js'
import type { AnyMember, PresenceChannel } from './presence.js'
import type { Point, Stroke, Tool } from './types.js'

export const STROKE = 'stroke'
const CHUNK_POINTS = 64
const CHUNKS_MAX = Math.ceil(POINTS_MAX / CHUNK_POINTS)
const SILENCE_MS_MAX = 10_000
/** The written stroke comes by another socket, and may be later than the word that it was written. */
const WRITTEN_MS_MAX = 1000
const ENDED_MAX = 1000
/** Instead of the number of a chunk: the pen was lifted. */
const END = 'end'

/** What a board does with strokes that are being drawn. */
export interface LiveBoard {
  id: string
  live: Map<string, Stroke>
  /** A stroke in `live` has more points. */
  onLive(stroke: Stroke): void
  onIdle(strokeId: string): void
  /** The document has it. */
  has(strokeId: string): boolean
}

/** What a board tells. */
export interface BoardInk {
  /** A point was added at the end of our stroke. */
  grown(stroke: Stroke): void
  lifted(strokeId: string, written: boolean): void
  /** The document has this stroke now, whoever drew it. */
  arrived(strokeId: string): void
}

export interface LiveInk {
  attach(board: LiveBoard): BoardInk
  hear(from: AnyMember, key: string, data: Uint8Array): void
  destroy(): void
}

interface Drawn {
  owner: string
  stroke: Stroke
  points: Point[]
  /** Points before the last chunk. */
  base: number
  chunks: Map<number, readonly Point[]>
  last: number
  timer: ReturnType<typeof setTimeout>
}

interface Chunk {
  color: string
  size: number
  tool: Tool
  points: Point[]
}

const packChunk = ({ color, size, tool, points }: Stroke, chunk: number): Uint8Array =>
  encoding.encode((encoder) => {
    encoding.writeVarString(encoder, JSON.stringify({ color, size, tool }))
    const from = chunk * CHUNK_POINTS
    encoding.writeVarUint8Array(encoder, packPoints(points.slice(from, from + CHUNK_POINTS)))
  })

/** Throws on bytes that are no chunk. */
const unpackChunk = (data: Uint8Array): Chunk => {
  const decoder = decoding.createDecoder(data)
  const { color, size, tool } = JSON.parse(decoding.readVarString(decoder)) as Chunk
  const points = unpackPoints(decoding.readVarUint8Array(decoder))
  if (typeof color !== 'string' || !Number.isFinite(size) || points.length > CHUNK_POINTS)
    throw new Error('malformed')
  return { color, size, tool: tool === 'marker' ? tool : 'pen', points }
}

const addChunk = (drawn: Drawn, number: number, points: readonly Point[]) => {
  drawn.chunks.set(number, points)
  if (number >= drawn.last) {
    if (number > drawn.last) drawn.base = drawn.points.length
    drawn.last = number
    drawn.points.length = drawn.base
    drawn.points.push(...points)
    return
  }
  // Late or changed: put everything together again.
  drawn.points.length = 0
  for (const part of [...drawn.chunks.keys()].sort((a, b) => a - b)) {
    drawn.base = drawn.points.length
    drawn.points.push(...drawn.chunks.get(part)!)
  }
}

export const createLiveInk = (channel: Pick<PresenceChannel, 'say' | 'onAbsent'>): LiveInk => {
  const boards = new Map<
    string,
    { hear(from: AnyMember, id: string, part: string, data: Uint8Array): void }
  >()
  const offs: (() => void)[] = []

  const attach = (board: LiveBoard): BoardInk => {
    const drawn = new Map<string, Drawn>()
    // What comes after the end of a stroke is late, not a new stroke.
    const ended = new Set<string>()

    const idle = (id: string) => {
      const one = drawn.get(id)
      if (!one) return
      clearTimeout(one.timer)
      drawn.delete(id)
      board.live.delete(id)
      board.onIdle(id)
    }
    const end = (id: string) => {
      if (ended.size >= ENDED_MAX) ended.clear()
      ended.add(id)
      idle(id)
    }

    const hear = (from: AnyMember, id: string, part: string, data: Uint8Array) => {
      let one = drawn.get(id)
      // Nobody draws on with somebody else's pen.
      if (one ? one.owner !== from.id : board.live.has(id)) return
      if (part === END) {
        if (!one || data.length === 0) return end(id)
        clearTimeout(one.timer)
        one.timer = setTimeout(() => end(id), WRITTEN_MS_MAX)
        return
      }
      if (!one && (ended.has(id) || board.has(id))) return
      const number = Number(part)
      if (!/^\d{1,4}$/.test(part) || number >= CHUNKS_MAX || id === '') return
      const { color, size, tool, points: more } = unpackChunk(data)
      if (!one) {
        const points: Point[] = []
        const stroke: Stroke = { id, by: from.userId, color, size, tool, points }
        one = { owner: from.id, stroke, points, base: 0, chunks: new Map(), last: -1, timer: 0 as never }
        drawn.set(id, one)
        board.live.set(id, stroke)
      }
      addChunk(one, number, more)
      clearTimeout(one.timer)
      one.timer = setTimeout(() => idle(id), SILENCE_MS_MAX)
      board.onLive(one.stroke)
    }
    boards.set(board.id, { hear })

    offs.push(
      channel.onAbsent((memberId) => {
        for (const [id, { owner }] of [...drawn]) if (owner === memberId) idle(id)
      }),
      () => {
        for (const { timer } of drawn.values()) clearTimeout(timer)
      },
    )
    return {
      grown: (stroke) => {
        const chunk = Math.floor((stroke.points.length - 1) / CHUNK_POINTS)
        channel.say(STROKE, `${board.id}/${stroke.id}/${chunk}`, () => packChunk(stroke, chunk))
      },
      lifted: (id, written) =>
        channel.say(STROKE, `${board.id}/${id}/${END}`, () => new Uint8Array(written ? [1] : [])),
      arrived: (id) => {
        if (drawn.has(id)) end(id)
      },
    }
  }

  return {
    attach,
    hear: (from, key, data) => {
      const [boardId = '', strokeId = '', part = ''] = key.split('/')
      try {
        boards.get(boardId)?.hear(from, strokeId, part, data)
      } catch {
        // A stranger's nonsense.
      }
    },
    destroy: () => {
      for (const off of offs) off()
    },
  }
}
