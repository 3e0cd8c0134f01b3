// What this page knows about components: how to start one, and what to call an entity that has it.
import type { IconName } from '../ui/icon.js'
import type { AppEntity, Components } from './room.js'

const still = { pos: [0, 1, 0], rot: [0, 0, 0, 1], scale: [1, 1, 1] }

/** First values, in the order they are offered. */
export const starters: Readonly<Record<string, unknown>> = {
  transform: still,
  shape: { kind: 'box' },
  material: { color: '#5b8def' },
  text: { value: 'Hello' },
  light: { kind: 'point', color: '#ffffff', intensity: 1 },
  parent: { id: '' },
  holdable: {},
  whiteboard: {},
  spawn: {},
}

export interface Kind {
  name: string
  icon: IconName
  components: Components
}

export const kinds: readonly Kind[] = [
  { name: 'Box', icon: 'box', components: { transform: still, shape: { kind: 'box' }, material: { color: '#5b8def' } } },
  { name: 'Sphere', icon: 'sphere', components: { transform: still, shape: { kind: 'sphere' }, material: { color: '#e0729a' } } },
  { name: 'Text', icon: 'text', components: { transform: still, text: { value: 'Hello' } } },
  { name: 'Light', icon: 'light', components: { transform: still, light: starters.light } },
  { name: 'Whiteboard', icon: 'board', components: { transform: still, whiteboard: {} } },
  { name: 'Empty', icon: 'dot', components: { transform: still } },
]

/** Choices for a text field whose values are few. */
export const choices: Readonly<Record<string, readonly string[]>> = {
  'shape.kind': ['box', 'sphere', 'cylinder', 'plane', 'capsule', 'cone', 'ground'],
  'light.kind': ['point', 'directional', 'spot', 'ambient'],
}

export function iconOf(entity: AppEntity): IconName {
  if (entity.get('whiteboard') !== undefined) return 'board'
  if (entity.get('text') !== undefined) return 'text'
  if (entity.get('light') !== undefined) return 'light'
  const shape = field(entity.get('shape'), 'kind') ?? field(entity.get('shape'), 'type')
  return shape === 'sphere' ? 'sphere' : shape ? 'box' : 'dot'
}

/** A short name made from what the entity is. */
export function labelOf(entity: AppEntity): string {
  const said = entity.get('name')
  const named = typeof said === 'string' ? said : field(said, 'value')
  if (named) return clip(named)
  const text = entity.get('text')
  const words = typeof text === 'string' ? text : (field(text, 'value') ?? field(text, 'text'))
  if (words) return clip(words)
  if (entity.get('whiteboard') !== undefined) return 'Whiteboard'
  const shape = entity.get('shape')
  const kind = typeof shape === 'string' ? shape : (field(shape, 'kind') ?? field(shape, 'type'))
  if (kind) return clip(kind.slice(0, 1).toUpperCase() + kind.slice(1))
  if (entity.get('light') !== undefined) return 'Light'
  return 'Entity'
}

export function parentOf(entity: AppEntity): string | undefined {
  const parent = entity.get('parent')
  return typeof parent === 'string' ? parent : (field(parent, 'id') ?? field(parent, 'entity'))
}

function field(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found = (value as Record<string, unknown>)[name]
  return typeof found === 'string' && found !== '' ? found : undefined
}

const clip = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text)
