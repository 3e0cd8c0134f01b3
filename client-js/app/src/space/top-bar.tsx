// The bar above a space: its name, its state, who is here, undo and redo.
import { renameSpace } from '../api.js'
import { chosenName, givenName } from '../people/identity.js'
import { PeopleMenu } from '../people/people-menu.js'
import { useChanges } from '../ui/hooks.js'
import { Icon } from '../ui/icon.js'
import { showShortcuts } from '../ui/shortcuts.js'
import { TextField } from '../ui/text-field.js'
import { toast } from '../ui/toast.js'
import type { AppSpace, Room } from './room.js'
import { Connection, SavePill } from './status.js'

interface Props {
  room: Extract<Room, { state: 'open' }>
  /** What is looked at instead of the present. */
  past: AppSpace | null
  timeline: boolean
  toggleTimeline: () => void
}

export function TopBar({ room, past, timeline, toggleTimeline }: Props) {
  const { space, info } = room
  useChanges((changed) => space.history.on('change', changed), [space])
  const name = info?.name || space.id

  const rename = async (next: string) => {
    const wanted = next.trim()
    if (!wanted || wanted === name) return
    room.rename({ ...(info ?? { id: space.id }), name: wanted })
    try {
      await renameSpace(space.id, wanted)
    } catch (error) {
      room.rename({ ...(info ?? { id: space.id }), name })
      toast({ text: `The name was not changed. ${error instanceof Error ? error.message : ''}`, tone: 'bad' })
    }
  }
  const share = async () => {
    try {
      await navigator.clipboard.writeText(location.href)
      toast({ text: 'Link copied. Open it in a second window to see both move.' })
    } catch {
      toast({ text: `Copy this link: ${location.href}` })
    }
  }
  return (
    <header class="top-bar">
      <a class="icon-button" href="#/" aria-label="All spaces" title="All spaces">
        <Icon name="back" />
      </a>
      <h1 class="sr">{name}</h1>
      <TextField
        class="space-name"
        label="Name of the space"
        hideLabel
        value={name}
        maxLength={100}
        commit={rename}
        testid="space-name"
        disabled={space.readOnly}
      />
      {!past && <SavePill space={space} />}
      <Connection space={space} />
      <span class="grow" />
      <PeopleMenu space={past ?? space} ownName={chosenName() ?? givenName()} share={share} />
      <button
        class="icon-button"
        data-testid="undo"
        aria-label="Undo"
        title="Undo (Ctrl Z)"
        disabled={past !== null || !space.history.canUndo}
        onClick={() => space.history.undo()}
      >
        <Icon name="undo" />
      </button>
      <button
        class="icon-button"
        data-testid="redo"
        aria-label="Redo"
        title="Redo (Ctrl Shift Z)"
        disabled={past !== null || !space.history.canRedo}
        onClick={() => space.history.redo()}
      >
        <Icon name="redo" />
      </button>
      <button
        class="icon-button"
        data-testid="history"
        aria-label="Timeline"
        title="Timeline (T)"
        aria-expanded={timeline}
        onClick={toggleTimeline}
      >
        <Icon name="history" />
      </button>
      <button class="icon-button wide-only" aria-label="Copy link" title="Copy link" onClick={share}>
        <Icon name="link" />
      </button>
      <button
        class="icon-button wide-only"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={showShortcuts}
      >
        <Icon name="keyboard" />
      </button>
    </header>
  )
}
