// Who is where, from above. The canvas is the engine's; here is what stands around it and what is said of it.
import { useEffect, useRef, useState } from 'preact/hooks'
import { nameIn } from '../people/identity.js'
import type { AppSpace } from '../space/room.js'
import { Icon } from '../ui/icon.js'
import { useChanges, useMedia } from '../ui/hooks.js'
import { createEngine, type Engine } from './engine.js'
import { listenToMap } from './input.js'

/** More than that nobody wants read out. */
const toldMax = 50

export function SpaceMap({ space }: { space: AppSpace }) {
  const { presence } = space
  const canvas = useRef<HTMLCanvasElement>(null)
  const list = useRef<HTMLUListElement>(null)
  const [engine, setEngine] = useState<Engine | null>(null)
  const [failure, setFailure] = useState('')
  const dark = useMedia('(prefers-color-scheme: dark)')
  const still = useMedia('(prefers-reduced-motion: reduce)')
  useChanges(
    (changed) => {
      const offs = (['join', 'leave', 'update', 'sync'] as const).map((event) => presence.on(event, changed))
      offs.push(space.on('status', changed))
      return () => offs.forEach((off) => off())
    },
    [space],
  )

  useEffect(() => {
    if (!canvas.current || !list.current) return
    let made: Engine
    try {
      made = createEngine({ canvas: canvas.current, list: list.current, space })
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error))
      return
    }
    const off = listenToMap(canvas.current, made)
    setEngine(made)
    // Opened by its key: the arrows should walk at once.
    if (document.activeElement === document.body) canvas.current.focus()
    return () => {
      off()
      made.destroy()
    }
  }, [])
  useEffect(() => engine?.setSpace(space), [engine, space])
  useEffect(() => engine?.setDark(dark), [engine, dark])
  useEffect(() => engine?.setSharp(still), [engine, still])

  const members = [...presence.members.values()].sort((a, b) => Number(b.me) - Number(a.me))
  const others = members.length - 1
  const lost = presence.me?.away === true
  const note = failure || noteOf(space, others, lost)
  return (
    <section class="map" aria-label="Map" data-testid="map" data-lost={lost}>
      <canvas
        ref={canvas}
        class="map-canvas"
        data-testid="map-canvas"
        tabIndex={0}
        role="application"
        aria-roledescription="map"
        aria-label={`Map, ${space.past ? (members.length === 1 ? '1 person' : `${members.length} people`) : others <= 0 ? 'you are alone' : others === 1 ? 'you and 1 other' : `you and ${others} others`}`}
        aria-describedby="map-help"
      />
      <p id="map-help" class="sr">
        Arrow keys or W, A, S and D walk, plus and minus zoom, 0 shows everybody, Enter tells where you and
        the others are. North is up.
      </p>
      <ul ref={list} class="sr" aria-label="Where people are">
        {members.slice(0, toldMax).map((member) => (
          <li
            key={member.id}
            data-testid="map-member"
            data-member={member.id}
            data-name={nameIn(member.state)}
            data-me={member.me}
          />
        ))}
      </ul>
      {note && (
        <p
          class={`map-note ${lost ? 'lost' : ''}`}
          data-testid="map-note"
          role={failure ? 'alert' : undefined}
        >
          {note}
        </p>
      )}
      {engine && (
        <div class="view-bar" role="toolbar" aria-label="Map view">
          <button
            class="icon-button"
            data-testid="map-out"
            aria-label="Zoom out"
            title="Zoom out (−)"
            onClick={() => engine.zoom(0.8)}
          >
            <Icon name="minus" />
          </button>
          <button
            class="icon-button"
            data-testid="map-fit"
            aria-label="Show everybody"
            title="Show everybody (0)"
            onClick={() => engine.fit()}
          >
            <Icon name="fit" />
          </button>
          <button
            class="icon-button"
            data-testid="map-in"
            aria-label="Zoom in"
            title="Zoom in (+)"
            onClick={() => engine.zoom(1.25)}
          >
            <Icon name="add" />
          </button>
        </div>
      )}
    </section>
  )
}

/** One line over the map, when there is something to say. */
function noteOf(space: AppSpace, others: number, lost: boolean): string {
  const { status } = space
  if (space.past) return space.presence.members.size === 0 ? 'Nobody was here then.' : ''
  if (lost) {
    if (status.state === 'offline' && status.cause === 'token')
      return 'No access token. The others are where you last saw them.'
    return status.state === 'connecting'
      ? 'Reconnecting. The others are where you last saw them.'
      : 'Offline. The others are where you last saw them.'
  }
  if (space.presence.me === null)
    return status.state === 'offline' ? 'Offline. Nobody can be seen.' : 'Finding out who is here…'
  return others === 0 ? 'You are alone here. Open this page in another window.' : ''
}
