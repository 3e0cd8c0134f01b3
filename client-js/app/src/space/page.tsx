// The space: top bar, outline, whiteboard, inspector, and what replaces them when there is no space.
import { useEffect, useRef, useState } from 'preact/hooks'
import { isTyping } from '../ui/shortcuts.js'
import { lazy } from '../ui/lazy.js'
import { useAnnouncements } from '../people/announce.js'
import { clearToasts } from '../ui/toast.js'
import { useChanges, useMedia } from '../ui/hooks.js'
import { hrefOf, type Route } from '../route.js'
import { Closed, Missing } from './closed.js'
import { Outline } from './outline.js'
import { useRoom, type AppSpace, type Room } from './room.js'
import { StatusStrip } from './status.js'
import { TopBar } from './top-bar.js'

type View = 'board' | 'map' | 'outline'

const map = lazy(() => import('../map/map.js').then((file) => file.SpaceMap))
const board = lazy(() => import('../board/board.js').then((file) => file.Board))
const timeline = lazy(() => import('../past/timeline.js').then((file) => file.Timeline))
const inspector = lazy(() => import('./inspector.js').then((file) => file.Inspector))
board.fetch()
map.fetch()
inspector.fetch()

type SpaceRoute = Extract<Route, { page: 'space' }>

export function SpacePage({ route }: { route: SpaceRoute }) {
  const { id } = route
  const { room, create, again } = useRoom(id)
  useEffect(() => clearToasts, [])
  if (!room) return null
  if (room.state === 'missing') return <Missing id={id} why={room.why} create={create} />
  return <OpenSpace room={room} route={route} again={again} />
}

interface Props {
  room: Extract<Room, { state: 'open' }>
  route: SpaceRoute
  again: () => void
}

function OpenSpace({ room, route, again }: Props) {
  const { space, ready, info } = room
  const [timelineOpen, openTimeline] = useState(false)
  const [past, setPast] = useState<AppSpace | null>(null)
  const shown = past ?? space
  const [chosen, choose] = useState<string | null>(null)
  const [tab, setTab] = useState<View>('board')
  const phone = useMedia('(max-width: 719px)')
  useChanges((changed) => space.on('status', changed), [space])
  useAnnouncements(space)
  const title = info?.name || space.id
  useEffect(() => {
    document.title = `${title} · Thexr`
  }, [title])

  useEffect(() => {
    if (route.seq !== undefined) openTimeline(true)
  }, [route])
  const now = useRef({ past })
  now.current.past = past
  const toggle = useRef(() => {})
  toggle.current = () => {
    if (timelineOpen) {
      setPast(null)
      history.replaceState(history.state, '', hrefOf(space.id))
    }
    openTimeline(!timelineOpen)
  }

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (document.querySelector('dialog[open]')) return
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event)
      if (plain && event.key.toLowerCase() === 'm') {
        event.preventDefault()
        setTab((was) => (was === 'map' ? 'board' : 'map'))
      }
      if (plain && event.key.toLowerCase() === 't') {
        event.preventDefault()
        toggle.current()
      }
      if (event.key === 'Escape' && !event.defaultPrevented && !isTyping(event)) choose(null)
      if (isTyping(event) || !(event.ctrlKey || event.metaKey)) return
      const name = event.key.toLowerCase()
      if (name !== 'z' && name !== 'y') return
      event.preventDefault()
      if (now.current.past) return
      if (name === 'y' || event.shiftKey) space.history.redo()
      else space.history.undo()
    }
    addEventListener('keydown', key)
    return () => removeEventListener('keydown', key)
  }, [space])

  const { status } = space
  if (status.state === 'closed' && status.error)
    return <Closed space={space} error={status.error} again={again} />

  const showOutline = !phone || tab === 'outline'
  const showMap = tab === 'map'
  const showBoard = tab === 'board' || (!phone && !showMap)
  const views: [View, string][] = [
    ['board', 'Board'],
    ['map', 'Map'],
  ]
  return (
    <div class={`space ${chosen ? 'has-choice' : ''} ${past ? 'in-past' : ''}`}>
      <TopBar room={room} past={past} timeline={timelineOpen} toggleTimeline={() => toggle.current()} />
      <main class="contents">
        <StatusStrip space={space} storageFailed={room.storageFailed} ready={ready} />
        {ready ? (
          <>
            {showOutline && <Outline space={shown} chosen={chosen} choose={choose} />}
            {showBoard && <board.Part class="board" space={shown} chosen={chosen} />}
            {showMap && <map.Part class="map" space={shown} />}
            {!phone && (
              <nav class="view-switch" aria-label="Views">
                {views.map(([view, text]) => (
                  <button
                    key={view}
                    data-testid={`view-${view}`}
                    title={`${text} (M)`}
                    aria-current={(view === 'map') === showMap ? 'page' : undefined}
                    onClick={() => setTab(view)}
                  >
                    {text}
                  </button>
                ))}
              </nav>
            )}
            {(chosen || !phone) && (
              <inspector.Part class="inspector" space={shown} chosen={chosen} choose={choose} />
            )}
            {timelineOpen && (
              <timeline.Part
                class="timeline"
                space={space}
                title={title}
                route={route}
                show={setPast}
                shown={past}
                close={() => toggle.current()}
              />
            )}
          </>
        ) : (
          <div class="space-loading" data-testid="space-loading">
            <p role="status">
              {status.state === 'offline' && status.cause !== 'paused'
                ? 'Nothing of this space is on this device yet. It opens when the server answers.'
                : 'Opening the space…'}
            </p>
            <div class="skeleton" aria-hidden="true" />
            <div class="skeleton" aria-hidden="true" />
            <div class="skeleton" aria-hidden="true" />
          </div>
        )}
      </main>
      {phone && (
        <nav class="tabs" aria-label="Views">
          {[...views, ['outline', 'Outline'] as const].map(([view, text]) => (
            <button
              key={view}
              data-testid={`view-${view}`}
              aria-current={tab === view ? 'page' : undefined}
              onClick={() => setTab(view)}
            >
              {text}
            </button>
          ))}
        </nav>
      )}
    </div>
  )
}
