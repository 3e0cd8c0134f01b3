// What the hand holds: shared by the toolbar, the keys and the pointer, kept across visits.
import { createStore } from '../ui/store.js'
import { palette, sizes } from './colors.js'

export type ToolName = 'pen' | 'eraser' | 'hand'

export interface Tools {
  readonly tool: ToolName
  readonly color: string
  readonly size: number
}

const key = 'thexr:tools'

function remembered(): Tools {
  const first: Tools = { tool: 'pen', color: palette[0]?.color ?? '#1d2129', size: 4 }
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Tools>
    return {
      ...first,
      ...(palette.some((each) => each.color === kept.color) ? { color: kept.color } : {}),
      ...(sizes.includes(kept.size ?? 0) ? { size: kept.size } : {}),
    } as Tools
  } catch {
    return first
  }
}

export const tools = createStore<Tools>(remembered())

export function pick(change: Partial<Tools>): void {
  tools.set({ ...tools.get(), ...change })
  try {
    localStorage.setItem(key, JSON.stringify({ color: tools.get().color, size: tools.get().size }))
  } catch {
    // The next visit starts with the first pen.
  }
}

export function resize(step: 1 | -1): void {
  const at = sizes.indexOf(tools.get().size)
  pick({ size: sizes[Math.min(sizes.length - 1, Math.max(0, at + step))] ?? 4 })
}
