// Undo stacks: one for the entities of a space, one per board. Each remembers only what this client wrote.
import * as Y from 'yjs'
import { createEmitter } from './emitter.js'
import { LOCAL } from './origins.js'
import type { Write, WriteOrigin } from './write.js'
import type { History } from './types.js'

const STEPS_MAX = 200

/** The shared types this package uses. */
export type Shared = Y.Map<unknown> | Y.Array<unknown>

export interface UndoStack {
  undo(): boolean
  redo(): boolean
  readonly canUndo: boolean
  readonly canRedo: boolean
  clear(): void
  /** Also take back changes of this type. */
  include(type: Shared): void
  destroy(): void
}

/** One step per transaction of this origin. `guard` throws when writing is not allowed. */
export const createUndoStack = (
  scope: Shared,
  origin: WriteOrigin,
  guard: () => void,
  onChange: () => void,
): UndoStack => {
  const manager = new Y.UndoManager(scope, { trackedOrigins: new Set([origin]), captureTimeout: 0 })
  manager.on('stack-item-added', () => {
    if (manager.undoStack.length > STEPS_MAX) manager.undoStack.shift()
    onChange()
  })
  manager.on('stack-item-popped', onChange)
  manager.on('stack-cleared', onChange)
  return {
    undo: () => {
      guard()
      return manager.undo() !== null
    },
    redo: () => {
      guard()
      return manager.redo() !== null
    },
    get canUndo() {
      return manager.canUndo()
    },
    get canRedo() {
      return manager.canRedo()
    },
    clear: () => manager.clear(),
    include: (type) => manager.addToScope(type),
    destroy: () => manager.destroy(),
  }
}

export const createHistory = (
  entities: Shared,
  write: Write,
  guard: () => void,
): History & Pick<UndoStack, 'include' | 'destroy'> => {
  const emitter = createEmitter<{ change: () => void }>()
  const stack = createUndoStack(entities, LOCAL, guard, () => emitter.emit('change'))
  return {
    undo: stack.undo,
    redo: stack.redo,
    get canUndo() {
      return stack.canUndo
    },
    get canRedo() {
      return stack.canRedo
    },
    group: (fn) => write(fn, LOCAL),
    clear: stack.clear,
    include: stack.include,
    destroy: () => {
      stack.destroy()
      emitter.clear()
    },
    on: emitter.on,
  }
}
