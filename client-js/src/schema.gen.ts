// Made from schema/src/component/vocabulary.rs; do not edit.
// To make it anew: THEXR_BLESS=1 cargo test -p thexr-schema --test generated

/** Can be taken in a hand. */
export interface Holdable {
  /** Where it sits in the hand. */
  offset?: Offset
}

/** A source of light. */
export interface Light {
  /** `#rrggbb`; white when absent. */
  color?: string
  /** Strength, 1 when absent. */
  intensity?: number
  /** How it shines. */
  kind: LightKind
}

/** How a light shines. */
export type LightKind = 'ambient' | 'directional' | 'point' | 'spot'

/** What an entity is made of. */
export interface Material {
  /** `#rrggbb`. */
  color?: string
  /** A material the client knows by name, such as `grid`. */
  name?: string
}

/** A place relative to something else. */
export interface Offset {
  /** Position in metres. */
  pos: [number, number, number]
  /** Rotation as a unit quaternion, x y z w. */
  rot: [number, number, number, number]
}

/** What an entity looks like. */
export interface Shape {
  /** The primitive. */
  kind: ShapeKind
  /** Measures of the primitive in metres, such as `{"width": 2, "height": 1}`. */
  params?: Record<string, unknown>
}

/** The primitives every client can draw. */
export type ShapeKind = 'box' | 'sphere' | 'cylinder' | 'plane' | 'capsule' | 'ground' | 'cone'

/** Where members appear. */
export interface Spawn {
  /** Members appear at random within this many metres; 0 when absent. */
  radius?: number
}

/** Text shown at the entity. */
export interface Text {
  /** Height of a line in metres. */
  size?: number
  /** The text; the last writer wins as a whole. */
  value: string
}

/** Where an entity is, relative to its parent or to the space. */
export interface Transform {
  /** Position in metres. */
  pos: [number, number, number]
  /** Rotation as a unit quaternion, x y z w. */
  rot: [number, number, number, number]
  /** Scale per axis; `[1, 1, 1]` when absent. */
  scale?: [number, number, number]
}

/** A board to draw on; its ink is in the root `strokes:<entity id>`. */
export interface Whiteboard {
  /** A colour `#rrggbb`, or the URL of an image under the ink (old strokes are squashed into it). */
  background?: string
  /** Height of the drawing area in pixels. */
  height?: number
  /** Width of the drawing area in pixels. */
  width?: number
}

/** Every known component by its name. All are optional: an entity has what it has. An application brings more names of its own. */
export interface Thexr {
  /** That it can be held. */
  holdable: Holdable
  /** The light it gives. */
  light: Light
  /** What it is made of. */
  material: Material
  /** What people call it. */
  name: string
  /** The entity it moves with, by id. */
  parent: string
  /** What it looks like. */
  shape: Shape
  /** That members appear there. */
  spawn: Spawn
  /** The text it shows. */
  text: Text
  /** Where it is. */
  transform: Transform
  /** That it can be drawn on. */
  whiteboard: Whiteboard
}

/** The name of a known component. */
export type ComponentName = keyof Thexr

/** The names of all known components. */
export const COMPONENT_NAMES = [
  'holdable',
  'light',
  'material',
  'name',
  'parent',
  'shape',
  'spawn',
  'text',
  'transform',
  'whiteboard',
] as const satisfies readonly ComponentName[]
