// What this page knows about components: how to start one, and what to call an entity that has it.
// The names and their shapes are those of schema.gen.ts.
import type { IconName } from '../ui/icon.js'
import type { AppEntity, Components } from './room.js'

const still = { pos: [0, 1, 0], rot: [0, 0, 0, 1], scale: [1, 1, 1] }

const starters: Components = {
  name: 'Something',
  transform: still,
  shape: { kind: 'box' },
  material: { color: '#5b8def' },
  text: { value: 'Hello', size: 0.2 },
  light: { kind: 'point', color: '#ffffff', intensity: 1 },
  parent: '',
  whiteboard: {},
  holdable: {},
  spawn: { radius: 1 },
}

/** The known components, in the order they are shown and offered. */
export const componentOrder: readonly string[] = Object.keys(starters)

/**
 * The value with its keys in an order that does not change, the one people expect first. The server keeps maps
 * without one, so a value comes back with its keys shuffled.
 */
export function inOrder(value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.map((each) => inOrder(each, path))
  if (typeof value !== 'object' || value === null) return value
  const known = Object.keys(starters[path] ?? {})
  const rank = (key: string) => (known.includes(key) ? known.indexOf(key) : known.length)
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
      .map(([key, each]) => [key, inOrder(each, `${path}.${key}`)]),
  )
}

/** The first value of a component. A parent has to be somebody. */
export const starterOf = (name: string, others: readonly AppEntity[]): unknown =>
  name === 'parent' ? (others[0]?.id ?? '') : structuredClone(starters[name] ?? {})

export interface Kind {
  name: string
  icon: IconName
  components: Components
}

export const kinds: readonly Kind[] = [
  {
    name: 'Box',
    icon: 'box',
    components: { transform: still, shape: starters.shape, material: starters.material },
  },
  {
    name: 'Sphere',
    icon: 'sphere',
    components: { transform: still, shape: { kind: 'sphere' }, material: { color: '#e0729a' } },
  },
  { name: 'Text', icon: 'text', components: { transform: still, text: starters.text } },
  { name: 'Light', icon: 'light', components: { transform: still, light: starters.light } },
  { name: 'Whiteboard', icon: 'board', components: { transform: still, whiteboard: {} } },
  { name: 'Empty', icon: 'dot', components: { transform: still } },
]

/** Choices for a text field whose values are few. */
export const choices: Readonly<Record<string, readonly string[]>> = {
  'shape.kind': ['box', 'sphere', 'cylinder', 'plane', 'capsule', 'ground', 'cone'],
  'light.kind': ['ambient', 'directional', 'point', 'spot'],
}

export function iconOf(entity: AppEntity): IconName {
  if (entity.live('whiteboard') !== undefined) return 'board'
  if (entity.live('text') !== undefined) return 'text'
  if (entity.live('light') !== undefined) return 'light'
  const kind = textIn(entity.live('shape'), 'kind')
  return kind === 'sphere' ? 'sphere' : kind ? 'box' : 'dot'
}

/** A short name made from what the entity is, as it is shown now. */
export function labelOf(entity: AppEntity): string {
  const name = entity.live('name')
  const words = (typeof name === 'string' && name) || textIn(entity.live('text'), 'value')
  if (words) return words.length > 60 ? `${words.slice(0, 59)}…` : words
  if (entity.live('whiteboard') !== undefined) return 'Whiteboard'
  const kind = textIn(entity.live('shape'), 'kind')
  if (kind) return kind.slice(0, 1).toUpperCase() + kind.slice(1, 40)
  return entity.live('light') !== undefined ? 'Light' : 'Entity'
}

export function parentOf(entity: AppEntity): string | undefined {
  const parent = entity.get('parent')
  return typeof parent === 'string' ? parent : undefined
}

/** Values come from strangers: what is not a text is not there. */
function textIn(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found = (value as Record<string, unknown>)[name]
  return typeof found === 'string' && found !== '' ? found : undefined
}
