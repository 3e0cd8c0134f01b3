// A whiteboard: the root array `strokes:<entity id>`, one item per stroke, committed when the pen lifts.
import * as Y from 'yjs'
import { createEmitter } from './emitter.js'
import { ThexrError } from './errors.js'
import { createUndoStack } from './history.js'
import { packPoints, POINTS_MAX, unpackPoints } from './ink.js'
import { checkEntityId, randomId } from './json.js'
import { INK, LOCAL } from './origins.js'
import type { PresenceChannel } from './presence.js'
import type { Board, BoardEvents, Point, Stroke, StrokePen, Tool } from './types.js'
import { sourceOf } from './write.js'
import type { Write } from './write.js'

/** A stroke as the document holds it. */
interface StoredStroke extends Omit<Stroke, 'points'> {
  points: Uint8Array
}

export interface BoardContext {
  doc: Y.Doc
  write: Write
  /** Throws when writing is not allowed. */
  guard(): void
  user: string
  /** Makes sure that the entity exists and is a whiteboard. Called inside a transaction. */
  ensureEntity(id: string): void
  /** Lets the space's history take back changes of this array. */
  remember(array: Y.Array<unknown>): void
  /** Shows strokes to others while they are drawn, and theirs to us. */
  ink: PresenceChannel['ink']
}

export const strokesRoot = (id: string): string => `strokes:${id}`

const isStored = (value: unknown): value is StoredStroke => {
  const stroke = value as Partial<StoredStroke> | null
  return typeof stroke?.id === 'string' && stroke.points instanceof Uint8Array
}

const decoded = (bytes: Uint8Array): readonly Point[] => {
  try {
    return unpackPoints(bytes)
  } catch {
    return [] // a foreign client's nonsense must not break whoever draws the board
  }
}

const readStroke = ({ id, by, color, size, tool, points: bytes }: StoredStroke): Stroke => {
  let points: readonly Point[] | null = null
  return {
    id,
    by,
    color,
    size,
    tool,
    get points() {
      return (points ??= decoded(bytes))
    },
  }
}

export const createBoard = (
  id: string,
  { doc, write, guard, user, ensureEntity, remember, ink }: BoardContext,
): Board & { destroy(): void } => {
  checkEntityId(id)
  const array = doc.getArray<unknown>(strokesRoot(id))
  const emitter = createEmitter<BoardEvents>()
  const stack = createUndoStack(array, INK, guard, () => {})
  const live = new Map<string, Stroke>()
  // The document gives the same object for the same item, so a stroke is read once.
  const read = new WeakMap<object, Stroke>()
  let list: readonly Stroke[] | null = null

  const strokeOf = (value: unknown): Stroke | null => {
    if (!isStored(value)) return null
    let stroke = read.get(value)
    if (!stroke) read.set(value, (stroke = readStroke(value)))
    return stroke
  }
  const strokesOf = (values: readonly unknown[]): Stroke[] =>
    values.map(strokeOf).filter((stroke) => stroke !== null)

  const draw = (fn: () => void) => {
    // Inside a transact() the whole of it is one step of the space's history.
    if (doc._transaction?.origin === LOCAL) remember(array)
    write(fn, INK)
  }

  const observer = (event: Y.YArrayEvent<unknown>, transaction: Y.Transaction) => {
    list = null
    const { added, deleted } = event.changes
    const source = sourceOf(transaction)
    const gone = [...deleted].flatMap((item) => strokesOf(item.content.getContent()))
    const come = [...added].flatMap((item) => strokesOf(item.content.getContent()))
    for (const stroke of gone) emitter.emit('remove', stroke.id)
    for (const stroke of come) {
      emitter.emit('add', stroke, source)
      others.arrived(stroke.id)
    }
  }
  array.observe(observer)

  const others = ink({
    id,
    live,
    onLive: (stroke) => emitter.emit('live', stroke),
    onIdle: (strokeId) => emitter.emit('idle', strokeId),
    has: (strokeId) => array.toArray().some((value) => isStored(value) && value.id === strokeId),
  })

  const begin = (style: { color: string; size: number; tool?: Tool }): StrokePen => {
    guard()
    const { color, size, tool = 'pen' } = style
    if (typeof color !== 'string' || !Number.isFinite(size))
      throw new ThexrError('INVALID', 'a stroke needs a color and a finite size')
    const points: Point[] = []
    const stroke: Stroke = { id: randomId(), by: user, color, size, tool, points }
    let drawing = true
    live.set(stroke.id, stroke)
    /** False when the pen was lifted before. */
    const lift = (): boolean => {
      if (!drawing) return false
      drawing = false
      live.delete(stroke.id)
      emitter.emit('idle', stroke.id)
      return true
    }
    return {
      id: stroke.id,
      append: (x, y, pressure = 0.5) => {
        if (!drawing || points.length >= POINTS_MAX || !Number.isFinite(x + y + pressure)) return
        points.push([x, y, pressure])
        emitter.emit('live', stroke)
        others.grown(stroke)
      },
      end: () => {
        if (!lift() || points.length === 0) return null
        others.lifted(stroke.id, true)
        const stored: StoredStroke = { ...stroke, points: packPoints(points) }
        draw(() => {
          ensureEntity(id)
          array.push([stored])
        })
        return strokeOf(stored)
      },
      cancel: () => {
        if (lift()) others.lifted(stroke.id, false)
      },
    }
  }

  return {
    id,
    get strokes() {
      // Inside a transaction the observer has not run yet.
      if (doc._transaction) return strokesOf(array.toArray())
      return (list ??= strokesOf(array.toArray()))
    },
    live,
    begin,
    erase: (...ids) => {
      const wanted = new Set(ids)
      draw(() => {
        const values = array.toArray()
        for (let i = values.length - 1; i >= 0; i--) {
          const value = values[i]
          if (isStored(value) && wanted.has(value.id)) array.delete(i)
        }
      })
    },
    clear: () => {
      draw(() => array.delete(0, array.length))
    },
    undo: stack.undo,
    redo: stack.redo,
    get canUndo() {
      return stack.canUndo
    },
    get canRedo() {
      return stack.canRedo
    },
    on: emitter.on,
    destroy: () => {
      array.unobserve(observer)
      stack.destroy()
      emitter.clear()
    },
  }
}
