// One component: fields for what has a shape we know, JSON for everything.
import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../ui/icon.js'
import { toast } from '../ui/toast.js'
import { Fields, hasFields, type Phase } from './fields.js'
import type { Hand } from './previews.js'
import type { AppEntity } from './room.js'
import { inOrder } from './vocabulary.js'

export interface Showing {
  set(value: unknown): void
  commit(): void
  cancel(): void
}

interface Props {
  name: string
  value: unknown
  readOnly: boolean
  /** What a reference may point to. */
  among: readonly AppEntity[]
  set: (value: unknown) => void
  /** Begins to show values before they are written. */
  begin: () => Showing
  /** Who else is changing it right now. */
  hand: Hand | undefined
  remove: () => void
}

export function ComponentEditor({ name, value: stored, readOnly, among, set, begin, hand, remove }: Props) {
  const value = inOrder(stored, name)
  const [raw, setRaw] = useState(false)
  const [error, setError] = useState('')
  const asJson = raw || !hasFields(value)
  const showing = useRef<Showing | null>(null)
  useEffect(() => () => showing.current?.cancel(), [])
  const write = (next: unknown, phase: Phase = 'write'): boolean => {
    try {
      if (phase === 'write') set(next)
      else if (phase === 'cancel') showing.current?.cancel()
      else {
        showing.current ??= begin()
        showing.current.set(next)
        if (phase === 'drop') showing.current.commit()
      }
      if (phase !== 'drag') showing.current = null
      setError('')
      return true
    } catch (failure) {
      if (phase === 'drop') {
        showing.current?.cancel()
        showing.current = null
      }
      setError(failure instanceof Error ? failure.message : String(failure))
      return false
    }
  }
  const drop = () => {
    try {
      remove()
      toast({ text: `${name} removed.`, action: { label: 'Put back', run: () => write(value) } })
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
    }
  }
  return (
    <section
      class={`component ${hand ? 'held' : ''}`}
      style={hand && { '--who': hand.color }}
      data-testid="component-editor"
      data-component={name}
      aria-label={name}
    >
      <header>
        <h3>{name}</h3>
        {hand && (
          <span class="hand" data-testid="hand">
            {hand.name}
            <span class="sr"> is changing this</span>
          </span>
        )}
        <span class="grow" />
        {hasFields(value) && (
          <button
            class="icon-button small"
            aria-label={`${name} as JSON`}
            title="Edit as JSON"
            aria-pressed={raw}
            data-testid="as-json"
            onClick={() => {
              setRaw(!raw)
              setError('')
            }}
          >
            <Icon name="braces" />
          </button>
        )}
        {!readOnly && (
          <button
            class="icon-button small"
            aria-label={`Remove ${name}`}
            title="Remove component"
            data-testid="remove-component"
            onClick={drop}
          >
            <Icon name="close" />
          </button>
        )}
      </header>
      {asJson ? (
        <JsonEditor
          name={name}
          value={value}
          readOnly={readOnly}
          write={write}
          fail={setError}
          failed={error !== ''}
        />
      ) : (
        <Fields name={name} value={value} readOnly={readOnly} among={among} write={write} fail={setError} />
      )}
      {error && (
        <p class="error" role="alert" id={`error-${name}`} data-testid="component-error">
          {error}
        </p>
      )}
    </section>
  )
}

interface JsonProps {
  name: string
  value: unknown
  readOnly: boolean
  failed: boolean
  write: (value: unknown) => boolean
  fail: (error: string) => void
}

function JsonEditor({ name, value, readOnly, failed, write, fail }: JsonProps) {
  const text = JSON.stringify(value, null, 2) ?? 'null'
  const [draft, setDraft] = useState<string | null>(null)
  const save = () => {
    if (draft === null) return
    let next: unknown
    try {
      next = JSON.parse(draft)
    } catch (failure) {
      fail(jsonError(draft, failure))
      return
    }
    if (write(next)) setDraft(null)
  }
  const changed = draft !== null && draft !== text
  return (
    <form
      class="json"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
    >
      <textarea
        aria-label={`${name} as JSON`}
        data-testid="json"
        class="mono"
        spellcheck={false}
        readOnly={readOnly}
        aria-invalid={failed}
        aria-describedby={failed ? `error-${name}` : undefined}
        rows={Math.min(14, (draft ?? text).split('\n').length)}
        value={draft ?? text}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault()
            save()
          }
          if (event.key === 'Escape' && changed) {
            event.stopPropagation()
            setDraft(null)
            fail('')
          }
        }}
      />
      {changed && (
        <div class="row">
          <button type="submit" class="primary small" data-testid="json-save">
            Apply
          </button>
          <button
            type="button"
            class="small"
            onClick={() => {
              setDraft(null)
              fail('')
            }}
          >
            Discard
          </button>
          <span class="fine">Ctrl Enter</span>
        </div>
      )}
    </form>
  )
}

/** Where the JSON breaks, in line and column where the engine tells. */
function jsonError(text: string, failure: unknown): string {
  const said = failure instanceof Error ? failure.message : String(failure)
  const position = Number(/position (\d+)/.exec(said)?.[1] ?? (/end of JSON/i.test(said) ? text.length : NaN))
  if (Number.isNaN(position)) return `Not valid JSON: ${said}`
  const before = text.slice(0, position).split('\n')
  return `Not valid JSON at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${said.replace(/ in JSON.*| \(line.*/, '')}.`
}
