// Editors by the shape of a value: vectors, rotations, colours, choices, numbers, switches, text.
import { useRef } from 'preact/hooks'
import { TextField } from '../ui/text-field.js'
import { NumberField } from './number-field.js'
import { toDegrees, toQuaternion } from './rotation.js'
import type { AppEntity } from './room.js'
import { choices, labelOf } from './vocabulary.js'

/** `write` is done at once; `drag` shows a value, `drop` writes it, `cancel` takes it back. */
export type Phase = 'write' | 'drag' | 'drop' | 'cancel'
export type Write<T> = (value: T, phase?: Phase) => boolean

interface Props {
  name: string
  among?: readonly AppEntity[]
  value: unknown
  readOnly: boolean
  write: Write<unknown>
  fail: (error: string) => void
}

type Plain = Record<string, unknown>

const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isVector = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.length >= 2 &&
  value.length <= 4 &&
  value.every((each) => typeof each === 'number')
const isColor = (value: unknown): value is string =>
  typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)
const isSimple = (value: unknown): boolean =>
  ['string', 'number', 'boolean'].includes(typeof value) || isVector(value)

/** Whether every part of the value has an editor. The rest is edited as JSON. */
export const hasFields = (value: unknown): boolean =>
  isSimple(value) || (isPlain(value) && Object.values(value).every(hasFields))

export function Fields({ name, value, among, readOnly, write, fail }: Props) {
  if (among && among.length > 0 && typeof value === 'string') {
    const options = among.map((each) => ({
      value: each.id,
      text: `${labelOf(each)} · ${each.id.slice(0, 6)}`,
    }))
    return <Choice label={name} value={value} options={options} readOnly={readOnly} write={write} />
  }
  if (!isPlain(value))
    return <Field path={name} label={name} value={value} readOnly={readOnly} write={write} fail={fail} />
  const entries = Object.entries(value)
  if (entries.length === 0) return <p class="fine">No settings. Being there is enough.</p>
  return (
    <div class="fields">
      {entries.map(([key, each]) => (
        <Field
          key={key}
          path={`${name}.${key}`}
          label={key}
          value={each}
          readOnly={readOnly}
          fail={fail}
          write={(next, phase) => write({ ...value, [key]: next }, phase)}
        />
      ))}
    </div>
  )
}

interface FieldProps {
  path: string
  label: string
  value: unknown
  readOnly: boolean
  write: Write<unknown>
  fail: (error: string) => void
}

function Field({ path, label, value, readOnly, write, fail }: FieldProps) {
  if (isPlain(value)) {
    return (
      <fieldset class="nested">
        <legend>{label}</legend>
        <Fields name={path} value={value} readOnly={readOnly} write={write} fail={fail} />
      </fieldset>
    )
  }
  if (isVector(value)) {
    if (label === 'rot' && value.length === 4) {
      return (
        <Vector
          label={label}
          unit="°"
          value={toDegrees(value)}
          readOnly={readOnly}
          fail={fail}
          write={(next, phase) => write(toQuaternion(next), phase)}
          step="15"
          perPx={1}
        />
      )
    }
    return (
      <Vector
        label={label}
        value={value}
        readOnly={readOnly}
        write={write}
        fail={fail}
        step="0.1"
        perPx={0.02}
      />
    )
  }
  if (typeof value === 'number') {
    return (
      <NumberField
        class="inline"
        label={label}
        value={value}
        readOnly={readOnly}
        write={write}
        fail={fail}
        step="any"
        perPx={0.05}
      />
    )
  }
  if (typeof value === 'boolean') {
    return (
      <label class="field inline">
        <span class="field-name">{label}</span>
        <input
          type="checkbox"
          checked={value}
          disabled={readOnly}
          onChange={(event) => write(event.currentTarget.checked)}
        />
      </label>
    )
  }
  const text = String(value)
  if (isColor(value)) {
    return (
      <div class="field inline">
        <span class="field-name">{label}</span>
        <input
          type="color"
          value={text}
          disabled={readOnly}
          aria-label={`${label}, colour`}
          onChange={(event) => write(event.currentTarget.value)}
        />
        <TextField
          class="grow"
          label={`${label}, hex`}
          hideLabel
          value={text}
          disabled={readOnly}
          commit={(next) => {
            if (isColor(next.trim())) write(next.trim().toLowerCase())
            else fail('A colour is # and six hex digits, like #5b8def.')
          }}
        />
      </div>
    )
  }
  const few = choices[path]
  if (few) {
    return (
      <Choice
        label={label}
        value={text}
        options={few.map((each) => ({ value: each, text: each }))}
        readOnly={readOnly}
        write={write}
      />
    )
  }
  return (
    <TextField
      class="inline"
      label={label}
      value={text}
      disabled={readOnly}
      commit={(next) => write(next)}
      testid={`field-${path}`}
    />
  )
}

interface ChoiceProps {
  label: string
  value: string
  options: readonly { value: string; text: string }[]
  readOnly: boolean
  write: Write<unknown>
}

function Choice({ label, value, options, readOnly, write }: ChoiceProps) {
  // A value that is not among the options is still the value.
  const all = options.some((each) => each.value === value)
    ? options
    : [{ value, text: value || 'None' }, ...options]
  return (
    <label class="field inline">
      <span class="field-name">{label}</span>
      <select class="grow" disabled={readOnly} onChange={(event) => write(event.currentTarget.value)}>
        {all.map((each) => (
          <option key={each.value} value={each.value} selected={each.value === value}>
            {each.text}
          </option>
        ))}
      </select>
    </label>
  )
}

interface VectorProps {
  label: string
  value: readonly number[]
  unit?: string
  step: string
  perPx: number
  readOnly: boolean
  write: Write<number[]>
  fail: (error: string) => void
}

function Vector({ label, value, unit, step, perPx, readOnly, write, fail }: VectorProps) {
  // Angles read back from a rotation may be others that mean the same, so a drag counts from where it began.
  const base = useRef<readonly number[] | null>(null)
  return (
    <fieldset class="vector">
      <legend>
        {label}
        {unit ? ` ${unit}` : ''}
      </legend>
      {value.map((each, index) => (
        <NumberField
          key={index}
          label={'xyzw'[index] ?? String(index)}
          name={`${label} ${'xyzw'[index]}`}
          value={each}
          step={step}
          readOnly={readOnly}
          fail={fail}
          perPx={perPx}
          write={(next, phase) => {
            const from = base.current ?? value
            base.current = phase === 'drag' ? from : null
            return write(
              from.map((old, at) => (at === index ? next : old)),
              phase,
            )
          }}
        />
      ))}
    </fieldset>
  )
}
