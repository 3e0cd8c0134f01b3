// The people in the top bar: a few avatars, and behind them the list of everybody with my own name in it.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { AppSpace } from '../space/room.js'
import { useMedia } from '../ui/hooks.js'
import { Icon } from '../ui/icon.js'
import { isTyping } from '../ui/shortcuts.js'
import { TextField } from '../ui/text-field.js'
import { say } from '../ui/voice.js'
import { chooseName, colorOf, initialsOf, nameMax } from './identity.js'
import { usePeople, type Person } from './people.js'

/** Rows drawn at once. Nobody reads a thousand names. */
const page = 100
/** More people than the smallest window shows at once. */
const scrollsFrom = 5

/** Letters and numbers are drawn by the style sheet: they are a picture, and its name is around it. */
export const Avatar = ({ person }: { person: Pick<Person, 'name' | 'color' | 'away' | 'tabs'> }) => (
  <span
    class={`avatar ${person.away ? 'away' : ''}`}
    style={{ '--who': person.color }}
    title={person.away ? `${person.name}, away` : person.name}
    aria-hidden="true"
    data-testid="avatar"
    data-text={initialsOf(person.name)}
  >
    {person.tabs > 1 && <span class="avatar-tabs" data-text={person.tabs} />}
  </span>
)

function summary(people: readonly Person[], known: boolean, past: boolean): string {
  if (past)
    return `People: ${
      people
        .map((each) => each.name)
        .slice(0, 5)
        .join(', ') || 'nobody'
    } at that time`
  if (!known) return 'People: finding out who is here'
  const away = people.filter((each) => each.away).length
  const here = people.length - away
  const others = people.filter((each) => !each.me).map((each) => each.name)
  const names = others.length > 0 && others.length <= 5 ? `: you and ${others.join(', ')}` : ''
  return `People: ${here} here${away > 0 ? `, ${away} away` : ''}${names}`
}

interface Props {
  space: AppSpace
  ownName: string
  share: () => void
}

export function PeopleMenu({ space, ownName, share }: Props) {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const panel = useRef<HTMLElement>(null)
  const phone = useMedia('(max-width: 719px)')
  const people = usePeople(space)
  const past = space.past === true
  const known = past || people.length > 0
  // Before the server answers there is one for certain; so the bar does not jump when it does.
  const shown = known ? people : [placeholder(space.user, ownName)]
  const stack = shown.slice(0, phone ? 1 : shown.length > 5 ? 4 : 5)
  const rest = shown.length - stack.length

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'u' || event.ctrlKey || event.metaKey || event.altKey) return
      if (isTyping(event) || document.querySelector('dialog[open]')) return
      event.preventDefault()
      setOpen((was) => !was)
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
  useEffect(() => {
    if (open) panel.current?.focus()
  }, [open])

  const close = () => {
    setOpen(false)
    button.current?.focus()
  }
  return (
    <div
      class="people-box"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open || event.defaultPrevented) return
        event.preventDefault()
        close()
      }}
      onFocusOut={(event) => {
        // Tab leads on through the page; a panel nobody is in should not cover it.
        const to = event.relatedTarget as Node | null
        if (to && !box.current?.contains(to)) setOpen(false)
      }}
    >
      <button
        ref={button}
        class="people-button"
        data-testid="people-button"
        data-count={people.length}
        aria-label={summary(people, known, past)}
        title="Who is here (U)"
        aria-expanded={open}
        aria-haspopup="dialog"
        onClick={() => setOpen(!open)}
      >
        <span class="avatars">
          {stack.map((each) => (
            <Avatar key={each.userId} person={each} />
          ))}
          {rest > 0 && <span class="avatar more-people" data-text={`+${Math.min(rest, 999)}`} />}
          {shown.length === 0 && <span class="avatar more-people" data-text="0" />}
        </span>
      </button>
      {open && (
        <section
          ref={panel}
          class="people"
          role="dialog"
          aria-label="People"
          tabIndex={-1}
          data-testid="people"
        >
          <header>
            <h2>{past ? 'People at that time' : 'People'}</h2>
            <span class="fine">{known ? people.length : ''}</span>
            <span class="grow" />
            <button class="icon-button" aria-label="Copy link" title="Copy link" onClick={share}>
              <Icon name="link" />
            </button>
            <button class="icon-button" aria-label="Close people" title="Close (Esc)" onClick={close}>
              <Icon name="close" />
            </button>
          </header>
          <PeopleList space={space} people={people} ownName={ownName} />
        </section>
      )}
    </div>
  )
}

const placeholder = (userId: string, name: string): Person => ({
  userId,
  name,
  color: colorOf(userId),
  me: true,
  tabs: 1,
  away: false,
  since: 0,
})

interface ListProps {
  space: AppSpace
  people: readonly Person[]
  ownName: string
}

function PeopleList({ space, people, ownName }: ListProps) {
  const [limit, setLimit] = useState(page)
  const rename = (next: string) => {
    const name = [...next.trim()].slice(0, nameMax).join('')
    if (!name) return
    chooseName(name)
    space.presence.set({ name })
    say(`You are called ${name} now.`)
  }
  const mine = people.find((each) => each.me)
  return (
    <>
      {!space.past && (
        <TextField
          class="own-name"
          label="Your name, as others see it"
          value={mine?.name ?? ownName}
          maxLength={nameMax}
          commit={rename}
          testid="own-name"
        />
      )}
      {people.length === 0 && space.past ? (
        <p class="none">Nobody was here.</p>
      ) : people.length === 0 ? (
        <p class="none" data-testid="people-loading">
          Finding out who is here…
        </p>
      ) : (
        <ul
          class="people-list"
          aria-label="Who is here"
          // A list that scrolls has nothing in it to tab to.
          tabIndex={people.length > scrollsFrom ? 0 : undefined}
        >
          {people.slice(0, limit).map((each) => (
            <li
              key={each.userId}
              class="person"
              data-testid="person"
              data-user={each.userId}
              data-away={each.away}
            >
              <Avatar person={each} />
              <span class="person-text">
                <span class="person-name">
                  <span>{each.name}</span>
                  {each.me && <span class="tag">you</span>}
                  {each.tabs > 1 && <span class="tag">{each.tabs} windows</span>}
                </span>
                <span class="fine">
                  {!each.away ? 'Here since' : each.me ? 'Not connected, came' : 'Away, came'}{' '}
                  <Since at={each.since} />
                </span>
              </span>
              <span class={`presence-light ${each.away ? 'away' : ''}`} aria-hidden="true" />
            </li>
          ))}
        </ul>
      )}
      {people.length > limit && (
        <button class="more" onClick={() => setLimit(limit + page)}>
          Show {Math.min(page, people.length - limit)} more
        </button>
      )}
      {people.length === 1 && !space.past && (
        <p class="none">You are alone here. Send somebody the link, or open it in another window.</p>
      )}
    </>
  )
}

function Since({ at }: { at: number }) {
  const date = new Date(at)
  const today = date.toDateString() === new Date().toDateString()
  const text = today
    ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { day: 'numeric', month: 'short' })
  return <time dateTime={date.toISOString()}>{text}</time>
}
