// Every entity of the space as a tree of real DOM nodes: whatever the canvas can do, this can do by keyboard.
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useChanges } from '../ui/hooks.js'
import { Icon } from '../ui/icon.js'
import { toast } from '../ui/toast.js'
import type { AppEntity, AppSpace } from './room.js'
import { NewEntity } from './new-entity.js'
import { useHands, type Hand } from './previews.js'
import { rowsOf, type Row } from './tree.js'
import { iconOf, labelOf } from './vocabulary.js'

interface Props {
  space: AppSpace
  chosen: string | null
  choose: (id: string | null) => void
}

/** Rows drawn at once. More than that is for the filter. */
const page = 300

export function Outline({ space, chosen, choose }: Props) {
  const version = useChanges(
    (changed) => {
      const offs = [
        space.entities.on('add', changed),
        space.entities.on('remove', changed),
        space.entities.on('change', changed),
      ]
      return () => offs.forEach((off) => off())
    },
    [space],
  )
  const handsOn = useHands(space)
  const [filter, setFilter] = useState('')
  const [shut, setShut] = useState<ReadonlySet<string>>(new Set())
  const [shown, setShown] = useState(page)
  const [focused, setFocused] = useState<string | null>(null)
  const tree = useRef<HTMLUListElement>(null)
  const rows = useMemo(() => rowsOf([...space.entities], filter, shut), [space, version, filter, shut])
  const visible = rows.slice(0, shown)
  const stop = visible.some((row) => row.entity.id === focused)
    ? focused
    : visible.some((row) => row.entity.id === chosen)
      ? chosen
      : visible[0]?.entity.id

  // A row that was just made, or moved up into the place of a deleted one, is drawn some frames later.
  const wanted = useRef<string | null>(null)
  const focusWanted = () => {
    const row =
      wanted.current && tree.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(wanted.current)}"]`)
    if (!row) return
    wanted.current = null
    row.focus()
  }
  useLayoutEffect(focusWanted)
  const focusRow = (id: string | undefined) => {
    if (!id) return
    setFocused(id)
    wanted.current = id
    focusWanted()
  }
  const toggle = (id: string, close: boolean) => {
    const next = new Set(shut)
    if (close) next.add(id)
    else next.delete(id)
    setShut(next)
  }
  const remove = (row: Row) => {
    const at = visible.indexOf(row)
    const next = visible[at + 1] ?? visible[at - 1]
    if (!removeEntity(space, row.entity)) return
    if (chosen === row.entity.id) choose(null)
    focusRow(next?.entity.id)
  }
  const onKey = (event: KeyboardEvent, row: Row) => {
    const at = visible.indexOf(row)
    const { id } = row.entity
    const open = row.children > 0 && !shut.has(id)
    const go: Record<string, () => void> = {
      ArrowDown: () => focusRow(visible[at + 1]?.entity.id),
      ArrowUp: () => focusRow(visible[at - 1]?.entity.id),
      Home: () => focusRow(visible[0]?.entity.id),
      End: () => focusRow(visible.at(-1)?.entity.id),
      ArrowRight: () => {
        if (row.children > 0 && !open) toggle(id, false)
        else if (open) focusRow(visible[at + 1]?.entity.id)
      },
      ArrowLeft: () => {
        if (open) toggle(id, true)
        else focusRow(visible.slice(0, at).findLast((each) => each.level < row.level)?.entity.id)
      },
      ' ': () => choose(id),
      Enter: () => {
        choose(id)
        requestAnimationFrame(() => document.getElementById('inspector')?.focus())
      },
      Delete: () => remove(row),
      Backspace: () => remove(row),
    }
    const act = go[event.key]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  }

  return (
    <section class="outline" aria-label="Outline" data-testid="outline">
      <header>
        <h2>Outline</h2>
        <span class="fine">{space.entities.size || ''}</span>
        <span class="grow" />
        {!space.readOnly && (
          <NewEntity
            space={space}
            made={(id) => {
              choose(id)
              focusRow(id)
            }}
          />
        )}
      </header>
      {space.entities.size > 8 && (
        <label class="search small">
          <span class="sr">Find an entity</span>
          <Icon name="search" />
          <input
            type="search"
            placeholder="Find"
            value={filter}
            onInput={(event) => {
              setFilter(event.currentTarget.value)
              setShown(page)
            }}
          />
        </label>
      )}
      {rows.length > 0 && (
        <ul role="tree" aria-label="Entities" ref={tree}>
          {visible.map((row) => (
            <li
              key={row.entity.id}
              role="treeitem"
              data-testid="entity-row"
              data-id={row.entity.id}
              tabIndex={row.entity.id === stop ? 0 : -1}
              aria-level={row.level}
              aria-posinset={row.place}
              aria-setsize={row.peers}
              aria-selected={row.entity.id === chosen}
              aria-expanded={row.children > 0 ? !shut.has(row.entity.id) : undefined}
              style={{ '--level': row.level - 1 }}
              onClick={() => {
                choose(row.entity.id)
                setFocused(row.entity.id)
              }}
              onFocus={() => setFocused(row.entity.id)}
              onKeyDown={(event) => onKey(event, row)}
            >
              <span
                class={`twist ${shut.has(row.entity.id) ? '' : 'open'}`}
                aria-hidden="true"
                onClick={(event) => {
                  if (row.children > 0) {
                    event.stopPropagation()
                    toggle(row.entity.id, !shut.has(row.entity.id))
                  }
                }}
              >
                {row.children > 0 && <Icon name="chevron" />}
              </span>
              <Icon name={iconOf(row.entity)} />
              <span class="row-name">{labelOf(row.entity)}</span>
              <RowEnd entity={row.entity} hand={handsOn(row.entity)[0]} />
            </li>
          ))}
        </ul>
      )}
      {rows.length > shown && (
        <button class="more" onClick={() => setShown(shown + page)}>
          Show {Math.min(page, rows.length - shown)} more
        </button>
      )}
      {rows.length === 0 &&
        (filter ? (
          <p class="none">Nothing matches “{filter}”.</p>
        ) : (
          <p class="none" data-testid="outline-empty">
            {space.past ? 'Nothing was here then.' : 'Nothing here yet. Press N to add the first entity.'}
          </p>
        ))}
    </section>
  )
}

/** Whose hand is on the entity and what it makes of it, or else the start of its id. */
function RowEnd({ entity, hand }: { entity: AppEntity; hand: Hand | undefined }) {
  if (!hand) return <span class="row-id">{entity.id.slice(0, 6)}</span>
  return (
    <span class="hand" data-testid="row-hand" style={{ '--who': hand.color }} title={hand.name}>
      {liveText(entity.live(hand.component)) || hand.component}
      <span class="sr">, {hand.name} is changing this</span>
    </span>
  )
}

/** The value in a few letters: a place as its numbers, else the component speaks for itself. */
function liveText(value: unknown): string {
  const at = (value as { pos?: unknown } | null)?.pos ?? value
  if (typeof at === 'number' || typeof at === 'string') return String(at).slice(0, 16)
  if (!Array.isArray(at) || !at.every((each) => typeof each === 'number')) return ''
  return at.map((each: number) => each.toFixed(1)).join(' ')
}

/** Deletes and offers the way back. False when the space refused. */
export function removeEntity(space: AppSpace, entity: AppEntity): boolean {
  const label = labelOf(entity)
  try {
    space.entities.delete(entity.id)
  } catch (error) {
    toast({ text: error instanceof Error ? error.message : String(error), tone: 'bad' })
    return false
  }
  offerUndo(space, `${label} deleted.`)
  return true
}

/** A toast whose action takes back the newest change. It goes away when another change becomes the newest. */
export function offerUndo(space: AppSpace, text: string): void {
  const off = new AbortController()
  const close = toast({
    text,
    action: {
      label: 'Undo',
      run: () => {
        off.abort()
        space.history.undo()
      },
    },
  })
  // The delete itself reports a change as well, possibly after this call.
  setTimeout(
    () =>
      space.history.on(
        'change',
        () => {
          close()
          off.abort()
        },
        { signal: off.signal },
      ),
    0,
  )
}
