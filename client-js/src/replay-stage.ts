// The document of one moment of a replay and the views of it, for reading. A Y.Doc cannot go back, so each jump makes
// another stage.
import * as Y from 'yjs'
import type { createBoard } from './board.js'
import type { AnyEntities, createEntities } from './entities.js'
import { ThexrError } from './errors.js'
import type { Board } from './types.js'
import type { createWrite } from './write.js'

/** Made by whoever has their code already: what is imported here would become a file of its own in a bundle. */
export interface Parts {
  createBoard: typeof createBoard
  createEntities: typeof createEntities
  createWrite: typeof createWrite
}

export interface Stage {
  readonly doc: Y.Doc
  readonly entities: AnyEntities
  board(name: string): Board
  apply(update: Uint8Array): void
  destroy(): void
}

const refusal = () => new ThexrError('READ_ONLY', 'what was cannot be changed: this is a replay')

const guard = () => {
  throw refusal()
}

const nothing = () => {}

export const createStage = ({ createBoard, createEntities, createWrite }: Parts): Stage => {
  const doc = new Y.Doc()
  const write = createWrite(doc, refusal)
  const entities = createEntities({
    doc,
    root: doc.getMap<unknown>('entities'),
    write,
    clearStrokes: nothing,
    check: undefined,
  })
  const boards = new Map<string, ReturnType<typeof createBoard>>()
  return {
    doc,
    entities,
    board: (name) => {
      let board = boards.get(name)
      if (!board) {
        const ink = () => ({ grown: nothing, lifted: nothing, arrived: nothing })
        board = createBoard(name, {
          doc,
          write,
          guard,
          user: '',
          ensureEntity: nothing,
          remember: nothing,
          ink,
        })
        boards.set(name, board)
      }
      return board
    },
    apply: (update) => Y.applyUpdate(doc, update),
    destroy: () => {
      for (const view of [...boards.values(), entities]) view.destroy()
      doc.destroy()
    },
  }
}
