// A number that is typed, or dragged sideways. While it is dragged everybody sees it change; letting go writes once.
import { useEffect, useRef } from 'preact/hooks'
import { TextField } from '../ui/text-field.js'
import type { Write } from './fields.js'

interface Props {
  label: string
  class?: string
  name?: string
  value: number
  step: string
  /** What one pixel is worth. */
  perPx: number
  readOnly: boolean
  write: Write<number>
  fail: (error: string) => void
}

/** Less is a click with an unsteady hand. */
const slackPx = 4

export function NumberField({ label, class: look, name, value, step, perPx, readOnly, write, fail }: Props) {
  const box = useRef<HTMLDivElement>(null)
  // The drag outlives renders; what it calls is of the newest one.
  const latest = useRef({ value, write })
  latest.current = { value, write }

  useEffect(() => {
    const node = box.current
    if (!node || readOnly) return
    let drag: { pointer: number; x: number; from: number; to: number; on: boolean } | null = null

    const down = (event: PointerEvent) => {
      const input = node.querySelector('input')
      // In a field with the caret in it dragging selects text.
      if (event.button !== 0 || document.activeElement === input) return
      const from = latest.current.value
      drag = { pointer: event.pointerId, x: event.clientX, from, to: from, on: false }
    }
    const moved = (event: PointerEvent) => {
      if (!drag || event.pointerId !== drag.pointer) return
      const px = event.clientX - drag.x
      if (!drag.on && Math.abs(px) < slackPx) return
      if (!drag.on) {
        drag.on = true
        node.setPointerCapture(event.pointerId)
        node.toggleAttribute('data-drag', true)
        node.querySelector('input')?.blur()
      }
      const unit = event.shiftKey ? perPx / 10 : perPx
      const next = Math.round((drag.from + px * unit) * 1e4) / 1e4
      if (next === drag.to) return
      drag.to = next
      latest.current.write(next, 'drag')
    }
    const end = (keep: boolean) => {
      const old = drag
      drag = null
      node.removeAttribute('data-drag')
      if (old?.on) latest.current.write(old.to, keep ? 'drop' : 'cancel')
      return old?.on ?? false
    }
    const up = (event: PointerEvent) => {
      if (drag?.pointer !== event.pointerId) return
      // The click that follows would put the caret into the field.
      if (end(event.type === 'pointerup')) addEventListener('click', swallow, { capture: true, once: true })
      setTimeout(() => removeEventListener('click', swallow, { capture: true }), 0)
    }
    const swallow = (event: Event) => {
      event.preventDefault()
      event.stopPropagation()
    }
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || !drag?.on) return
      event.preventDefault()
      event.stopPropagation()
      end(false)
    }
    const listeners = new AbortController()
    const { signal } = listeners
    node.addEventListener('pointerdown', down, { signal })
    node.addEventListener('pointermove', moved, { signal })
    node.addEventListener('pointerup', up, { signal })
    node.addEventListener('pointercancel', up, { signal })
    addEventListener('keydown', escape, { capture: true, signal })
    return () => {
      end(false)
      listeners.abort()
    }
  }, [perPx, readOnly])

  return (
    <div ref={box} class="draggable">
      <TextField
        class={look ?? 'number'}
        type="number"
        step={step}
        label={label}
        value={String(Math.round(value * 1e4) / 1e4)}
        disabled={readOnly}
        testid={`field-${(name ?? label).replace(' ', '-')}`}
        commit={(text) => {
          const next = Number(text)
          if (text.trim() === '' || !Number.isFinite(next)) fail(`${name ?? label} is not a number.`)
          else write(next)
        }}
      />
    </div>
  )
}
