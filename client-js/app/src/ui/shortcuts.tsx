// The sheet that `?` opens: every key there is.
import { useEffect, useRef } from 'preact/hooks'
import { Icon } from './icon.js'
import { createStore } from './store.js'

const open = createStore(false)
export const showShortcuts = (): void => open.set(true)

/** True when a key press belongs to a field and not to a shortcut. */
export const isTyping = (event: Event): boolean =>
  event.target instanceof HTMLElement &&
  event.target.closest('input:not([type=range]), textarea, select, [contenteditable]') !== null

const groups: [string, [string, string][]][] = [
  [
    'Anywhere',
    [
      ['?', 'This sheet'],
      ['Esc', 'Leave, close, deselect'],
      ['Tab', 'Next control'],
    ],
  ],
  [
    'Space',
    [
      ['Ctrl Z', 'Undo your last change'],
      ['Ctrl Shift Z', 'Redo'],
      ['N', 'New entity'],
      ['M', 'Map or whiteboard'],
      ['U', 'Who is here'],
      ['T', 'Timeline: what was here before'],
    ],
  ],
  [
    'Outline',
    [
      ['↑ ↓ Home End', 'Move'],
      ['← →', 'Close, open'],
      ['Enter', 'Edit components'],
      ['Delete', 'Delete entity'],
    ],
  ],
  [
    'Timeline',
    [
      ['← →', 'One event back, on'],
      ['Shift ← →', 'Ten seconds'],
      ['Page Up, Page Down', 'A minute'],
      ['Home', 'The oldest moment'],
      ['End, Esc', 'Now'],
      ['Space', 'Play, pause'],
      ['[ ]', 'Slower, faster'],
      ['+ − 0', 'Less time, more, all'],
    ],
  ],
  [
    'Map',
    [
      ['← ↑ → ↓', 'Walk (also W A S D)'],
      ['+ − 0', 'Zoom in, out, everybody'],
      ['Enter', 'Say where everybody is'],
    ],
  ],
  [
    'Whiteboard',
    [
      ['P', 'Pen'],
      ['E', 'Eraser'],
      ['H', 'Hand'],
      ['1–8', 'Colour'],
      ['[ ]', 'Thinner, thicker'],
      ['+ − 0', 'Zoom in, out, fit'],
      ['Space, drag', 'Pan'],
      ['← ↑ → ↓', 'Move the crosshair (Shift: far)'],
      ['Enter', 'Pen down or up, or erase here'],
      ['Alt ← ↑ → ↓', 'Pan'],
    ],
  ],
]

export function Shortcuts({ inSpace }: { inSpace: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const isOpen = open.use()

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.key !== '?' || isTyping(event) || event.ctrlKey || event.metaKey) return
      event.preventDefault()
      open.set(!open.get())
    }
    addEventListener('keydown', key)
    return () => removeEventListener('keydown', key)
  }, [])
  useEffect(() => {
    const node = dialog.current
    if (isOpen && !node?.open) node?.showModal()
    if (!isOpen && node?.open) node.close()
  }, [isOpen])

  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby="keys"
      data-testid="shortcuts"
      onClose={() => open.set(false)}
      onClick={(event) => {
        if (event.target === dialog.current) open.set(false)
      }}
    >
      {isOpen && (
        <div class="sheet-body">
          <header>
            <h2 id="keys">Keyboard</h2>
            <button class="icon-button" aria-label="Close" onClick={() => open.set(false)}>
              <Icon name="close" />
            </button>
          </header>
          <div class="keys">
            {groups
              .filter(([name]) => inSpace || name === 'Anywhere')
              .map(([name, keys]) => (
                <section key={name}>
                  <h3>{name}</h3>
                  <dl>
                    {keys.map(([key, what]) => (
                      <div key={key}>
                        <dt>{what}</dt>
                        <dd>
                          <kbd>{key}</kbd>
                        </dd>
                      </div>
                    ))}
                  </dl>
                </section>
              ))}
          </div>
        </div>
      )}
    </dialog>
  )
}
