// A text field that commits when its user is done, and does not jump while somebody else edits the same value.
import { useEffect, useRef, useState } from 'preact/hooks'

interface Props {
  value: string
  label: string
  commit: (value: string) => void
  class?: string
  type?: 'text' | 'number'
  step?: string
  id?: string
  placeholder?: string
  maxLength?: number
  disabled?: boolean
  hideLabel?: boolean
  testid?: string
}

export function TextField(props: Props) {
  const [draft, setDraft] = useState<string | null>(null)
  const input = useRef<HTMLInputElement>(null)
  const leaving = useRef(false)
  useEffect(() => {
    if (document.activeElement !== input.current) setDraft(null)
  }, [props.value])

  const done = () => {
    if (draft !== null && draft !== props.value && !leaving.current) props.commit(draft)
    leaving.current = false
    setDraft(null)
  }
  return (
    <label class={`field ${props.class ?? ''}`}>
      <span class={props.hideLabel ? 'sr' : 'field-name'}>{props.label}</span>
      <input
        ref={input}
        id={props.id}
        type={props.type ?? 'text'}
        step={props.step}
        value={draft ?? props.value}
        disabled={props.disabled}
        placeholder={props.placeholder}
        maxLength={props.maxLength}
        data-testid={props.testid}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setDraft(event.currentTarget.value)}
        onBlur={done}
        onKeyDown={(event) => {
          if (event.key === 'Enter') {
            event.preventDefault()
            done()
          }
          if (event.key === 'Escape' && draft !== null) {
            event.stopPropagation()
            leaving.current = true
            setDraft(null)
            input.current?.blur()
          }
        }}
      />
    </label>
  )
}
