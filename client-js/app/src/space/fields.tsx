// Editors by the shape of a value: vectors, rotations, colours, choices, numbers, switches, text.
import { TextField } from '../ui/text-field.js'
import { toDegrees, toQuaternion } from './rotation.js'
import { choices } from './vocabulary.js'

interface Props {
  name: string
  value: unknown
  readOnly: boolean
  write: (value: unknown) => boolean
  fail: (error: string) => void
}

type Plain = Record<string, unknown>

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value)
const isVector = (value: unknown): value is number[] => Array.isArray(value) && value.length >= 2 && value.length <= 4 && value.every((each) => typeof each === 'number')
const isColor = (value: unknown): value is string => typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)
const isSimple = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value) || isVector(value)

/** Whether every part of the value has an editor. The rest is edited as JSON. */
export const hasFields = (value: unknown): boolean =>
  isSimple(value) || (isPlain(value) && Object.values(value).every((each) => isSimple(each)))

export function Fields({ name, value, readOnly, write, fail }: Props) {
  if (!isPlain(value)) return <Field path={name} label={name} value={value} readOnly={readOnly} write={write} fail={fail} />
  const entries = Object.entries(value)
  if (entries.length === 0) return <p class="fine">No settings. Being there is enough.</p>
  return (
    <div class="fields">
      {entries.map(([key, each]) => (
        <Field key={key} path={`${name}.${key}`} label={key} value={each} readOnly={readOnly} fail={fail}
          write={(next) => write({ ...value, [key]: next })} />
      ))}
    </div>
  )
}

interface FieldProps {
  path: string
  label: string
  value: unknown
  readOnly: boolean
  write: (value: unknown) => boolean
  fail: (error: string) => void
}

function Field({ path, label, value, readOnly, write, fail }: FieldProps) {
  if (isVector(value)) {
    if (label === 'rot' && value.length === 4) {
      return <Vector label={label} unit="°" value={toDegrees(value)} readOnly={readOnly} fail={fail} write={(next) => write(toQuaternion(next))} step="15" />
    }
    return <Vector label={label} value={value} readOnly={readOnly} write={write} fail={fail} step="0.1" />
  }
  if (typeof value === 'number') {
    return <NumberField label={label} value={value} readOnly={readOnly} write={write} fail={fail} step="any" />
  }
  if (typeof value === 'boolean') {
    return (
      <label class="field inline">
        <span class="field-name">{label}</span>
        <input type="checkbox" checked={value} disabled={readOnly} onChange={(event) => write(event.currentTarget.checked)} />
      </label>
    )
  }
  const text = String(value)
  if (isColor(value)) {
    return (
      <div class="field inline">
        <span class="field-name">{label}</span>
        <input type="color" value={text} disabled={readOnly} aria-label={`${label}, colour`} onChange={(event) => write(event.currentTarget.value)} />
        <TextField class="grow" label={`${label}, hex`} hideLabel value={text} disabled={readOnly}
          commit={(next) => { if (isColor(next.trim())) write(next.trim().toLowerCase()); else fail('A colour is # and six hex digits, like #5b8def.') }} />
      </div>
    )
  }
  const few = choices[path]
  if (few) {
    const all = few.includes(text) ? few : [text, ...few]
    return (
      <label class="field inline">
        <span class="field-name">{label}</span>
        <select class="grow" disabled={readOnly} onChange={(event) => write(event.currentTarget.value)}>
          {all.map((each) => <option key={each} value={each} selected={each === text}>{each}</option>)}
        </select>
      </label>
    )
  }
  return <TextField class="inline" label={label} value={text} disabled={readOnly} commit={write} testid={`field-${path}`} />
}

interface VectorProps {
  label: string
  value: readonly number[]
  unit?: string
  step: string
  readOnly: boolean
  write: (value: number[]) => boolean
  fail: (error: string) => void
}

function Vector({ label, value, unit, step, readOnly, write, fail }: VectorProps) {
  return (
    <fieldset class="vector">
      <legend>{label}{unit ? ` ${unit}` : ''}</legend>
      {value.map((each, index) => (
        <NumberField key={index} label={'xyzw'[index] ?? String(index)} name={`${label} ${'xyzw'[index]}`} value={each} step={step} readOnly={readOnly} fail={fail}
          write={(next) => write(value.map((old, at) => (at === index ? next : old)))} />
      ))}
    </fieldset>
  )
}

interface NumberProps {
  label: string
  name?: string
  value: number
  step: string
  readOnly: boolean
  write: (value: number) => boolean
  fail: (error: string) => void
}

function NumberField({ label, name, value, step, readOnly, write, fail }: NumberProps) {
  return (
    <TextField class="number" type="number" step={step} label={label} value={String(Math.round(value * 1e4) / 1e4)} disabled={readOnly}
      testid={`field-${(name ?? label).replace(' ', '-')}`}
      commit={(text) => {
        const next = Number(text)
        if (text.trim() === '' || !Number.isFinite(next)) fail(`${name ?? label} is not a number.`)
        else write(next)
      }} />
  )
}
