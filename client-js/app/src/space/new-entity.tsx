// The menu that adds an entity of a chosen kind.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../ui/icon.js'
import { isTyping } from '../ui/shortcuts.js'
import { toast } from '../ui/toast.js'
import type { AppSpace } from './room.js'
import { kinds } from './vocabulary.js'

export function NewEntity({ space, made }: { space: AppSpace; made: (id: string) => void }) {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (
        event.key.toLowerCase() !== 'n' ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        isTyping(event) ||
        document.querySelector('dialog[open]')
      )
        return
      event.preventDefault()
      setOpen(true)
    }
    const outside = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false)
    }
    addEventListener('keydown', key)
    addEventListener('pointerdown', outside)
    return () => {
      removeEventListener('keydown', key)
      removeEventListener('pointerdown', outside)
    }
  }, [])
  useLayoutEffect(() => {
    if (open) box.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
  }, [open])

  const onKey = (event: KeyboardEvent) => {
    const items = [...(box.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = items.indexOf(document.activeElement as HTMLElement)
    if (event.key === 'Escape') {
      event.preventDefault()
      setOpen(false)
      button.current?.focus()
    } else if (event.key === 'ArrowDown') {
      event.preventDefault()
      items[(at + 1) % items.length]?.focus()
    } else if (event.key === 'ArrowUp') {
      event.preventDefault()
      items.at(at - 1)?.focus()
    } else if (event.key === 'Tab') setOpen(false)
  }
  const make = (index: number) => {
    const kind = kinds[index]
    if (!kind) return
    setOpen(false)
    try {
      made(space.entities.create(kind.components).id)
    } catch (error) {
      toast({ text: error instanceof Error ? error.message : String(error), tone: 'bad' })
    }
  }
  return (
    <div class="menu-box" ref={box} onKeyDown={onKey}>
      <button
        ref={button}
        class="icon-button"
        data-testid="new-entity"
        aria-label="New entity"
        title="New entity (N)"
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="add" />
      </button>
      {open && (
        <div class="menu" role="menu" aria-label="New entity">
          {kinds.map((kind, index) => (
            <button
              key={kind.name}
              role="menuitem"
              tabIndex={-1}
              data-testid={`new-${kind.name.toLowerCase()}`}
              onClick={() => make(index)}
            >
              <Icon name={kind.icon} /> {kind.name}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}
