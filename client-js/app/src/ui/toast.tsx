// Short notes at the bottom, each with at most one action. Nothing here blocks.
import { useEffect } from 'preact/hooks'
import { createStore } from './store.js'
import { say } from './voice.js'

export interface Toast {
  text: string
  action?: { label: string; run: () => void }
  /** Bad news stays until it is closed. */
  tone?: 'bad'
}

interface Shown extends Toast {
  key: number
}

const shown = createStore<readonly Shown[]>([])
let lastKey = 0

/** Shows a toast and returns how to take it away. */
export function toast(next: Toast): () => void {
  const key = ++lastKey
  shown.set([...shown.get().slice(-2), { ...next, key }])
  say(next.text)
  return () => shown.set(shown.get().filter((each) => each.key !== key))
}

export const clearToasts = (): void => shown.set([])

function Item({ item }: { item: Shown }) {
  const close = () => shown.set(shown.get().filter((each) => each.key !== item.key))
  useEffect(() => {
    if (item.tone === 'bad') return
    const timer = setTimeout(close, item.action ? 8000 : 4000)
    return () => clearTimeout(timer)
  }, [])
  return (
    <li class={`toast ${item.tone ?? ''}`} data-testid="toast">
      <span>{item.text}</span>
      {item.action && (
        <button
          class="link"
          onClick={() => {
            item.action?.run()
            close()
          }}
        >
          {item.action.label}
        </button>
      )}
      {item.tone === 'bad' && (
        <button class="link" onClick={close}>
          Close
        </button>
      )}
    </li>
  )
}

export function Toasts() {
  const items = shown.use()
  return (
    <section class="toasts" aria-label="Notes">
      {items.length > 0 && (
        <ul>
          {items.map((item) => (
            <Item key={item.key} item={item} />
          ))}
        </ul>
      )}
    </section>
  )
}
