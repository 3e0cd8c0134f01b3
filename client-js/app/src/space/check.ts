// Says what is wrong with a known component before the server has to refuse it. The shapes are those of
// schema.gen.ts; unknown names are the business of whoever brings them.
import { ThexrError } from '@thexr/client'
import { choices } from './vocabulary.js'

/** Null when the value fits, else what it has to be. */
type Rule = (value: unknown, path: string) => string | null

const numbers =
  (count: number): Rule =>
  (value, path) =>
    Array.isArray(value) && value.length === count && value.every(Number.isFinite)
      ? null
      : `${path} has to be ${count} numbers.`
const number: Rule = (value, path) => (Number.isFinite(value) ? null : `${path} has to be a number.`)
const text: Rule = (value, path) => (typeof value === 'string' ? null : `${path} has to be a text.`)
const color: Rule = (value, path) =>
  typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)
    ? null
    : `${path} has to be a colour like #5b8def.`
const anything: Rule = (value, path) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? null : `${path} has to be an object.`
const oneOf: Rule = (value, path) =>
  choices[path]?.includes(value as string) ? null : `${path} has to be one of ${choices[path]?.join(', ')}.`

const fields =
  (needed: Record<string, Rule>, optional: Record<string, Rule> = {}): Rule =>
  (value, path) => {
    const wrong = anything(value, path)
    if (wrong) return wrong
    const object = value as Record<string, unknown>
    for (const [name, rule] of Object.entries(needed)) {
      const said = name in object ? rule(object[name], `${path}.${name}`) : `${path} lacks ${name}.`
      if (said) return said
    }
    for (const [name, rule] of Object.entries(optional)) {
      const said = object[name] === undefined ? null : rule(object[name], `${path}.${name}`)
      if (said) return said
    }
    return null
  }

const rules: Record<string, Rule> = {
  name: text,
  transform: fields({ pos: numbers(3), rot: numbers(4) }, { scale: numbers(3) }),
  shape: fields({ kind: oneOf }, { params: anything }),
  material: fields({}, { color, name: text }),
  text: fields({ value: text }, { size: number }),
  light: fields({ kind: oneOf }, { color, intensity: number }),
  parent: (value, path) =>
    typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value)
      ? null
      : `${path} has to be the id of an entity.`,
  whiteboard: fields({}, { background: text, width: number, height: number }),
  holdable: fields({}, { offset: fields({ pos: numbers(3), rot: numbers(4) }) }),
  spawn: fields({}, { radius: number }),
}

export function check(component: string, value: unknown): void {
  const wrong = rules[component]?.(value, component)
  if (wrong) throw new ThexrError('INVALID', wrong)
}
