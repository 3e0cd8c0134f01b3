// One open space: dials, asks the server whether it exists, and tells the page what to show.
import { connect, type Entity, type Schema, type Space } from '@thexr/client'
import { useEffect, useState } from 'preact/hooks'
import { ApiError, createSpace, getSpace, type SpaceInfo } from '../api.js'
import { enterPlace } from '../map/place.js'
import { chosenName, givenName, onChosenElsewhere } from '../people/identity.js'
import { validId } from '../route.js'
import { readToken } from '../token.js'
import { adoptOnce } from './anew.js'
import { check } from './check.js'

export type Components = Record<string, unknown>
export interface AppSpace extends Space<Schema<Components, Record<string, unknown>>> {
  /** It is a moment of the past: nobody is in it, and it takes no edits. */
  readonly past?: true
}
export type AppEntity = Entity<Components>

declare global {
  interface Window {
    /** For tests and for people with a console. */
    thexr?: { space: AppSpace }
  }
}

export type Room =
  | { state: 'missing'; why: 'no name' | 'nobody made it' | 'deleted' }
  | {
      state: 'open'
      space: AppSpace
      info: SpaceInfo | null
      ready: boolean
      storageFailed: boolean
      rename: (info: SpaceInfo) => void
    }

export function useRoom(id: string): { room: Room | null; create: () => Promise<void>; again: () => void } {
  const [room, setRoom] = useState<Room | null>(null)
  const [round, setRound] = useState({ n: 0, adopt: false })

  useEffect(() => {
    if (!validId(id)) {
      setRoom({ state: 'missing', why: 'no name' })
      return
    }
    const asking = new AbortController()
    // Paused first: dialling a space brings it into being, and a mistyped link should not.
    const chosen = chosenName()
    const space: AppSpace = connect<Schema<Components, Record<string, unknown>>>(location.origin, id, {
      autoConnect: false,
      token: () => readToken(),
      schema: { check },
      user: { name: chosen ?? givenName() },
      // A name that was typed goes before the one in a token; one that was made up does not.
      presence: { state: chosen ? { name: chosen } : {} },
    })
    if (round.adopt) adoptOnce(space)
    enterPlace(space)
    const stopNames = onChosenElsewhere((name) => space.presence.set({ name }))
    window.thexr = { space }
    const patch = (next: Partial<Extract<Room, { state: 'open' }>>) =>
      setRoom((old) => (old?.state === 'open' ? { ...old, ...next } : old))
    setRoom({
      state: 'open',
      space,
      info: null,
      ready: false,
      storageFailed: false,
      rename: (info) => patch({ info }),
    })

    space.on(
      'error',
      (error) => {
        if (error.code === 'STORAGE') patch({ storageFailed: true })
      },
      { signal: asking.signal },
    )
    space.ready.then(
      () => {
        if (!asking.signal.aborted) patch({ ready: true })
      },
      () => {},
    )
    const missing = (error: unknown) => error instanceof ApiError && error.status === 404
    getSpace(id, asking.signal).then(
      (info) => {
        patch({ info })
        space.connect()
      },
      (error: unknown) => {
        if (asking.signal.aborted) return
        if (missing(error)) setRoom({ state: 'missing', why: 'nobody made it' })
        else space.connect() // no answer: the local copy may still be worth showing
      },
    )
    // A browser does not tell why a dial failed. The server may be there, and the space not.
    space.on(
      'status',
      (status) => {
        if (status.state !== 'offline' || status.cause === 'paused') return
        getSpace(id, asking.signal).catch((error: unknown) => {
          if (asking.signal.aborted || !missing(error)) return
          space.disconnect()
          setRoom({ state: 'missing', why: 'deleted' })
        })
      },
      { signal: asking.signal },
    )
    addEventListener(
      'beforeunload',
      (event) => {
        if (space.saveState === 'unsaved' && space.pending > 0) event.preventDefault()
      },
      { signal: asking.signal },
    )
    return () => {
      asking.abort()
      stopNames()
      if (window.thexr?.space === space) delete window.thexr
      void space.destroy()
    }
  }, [id, round])

  const start = (adopt: boolean) => setRound(({ n }) => ({ n: n + 1, adopt }))
  return {
    room,
    again: () => start(false),
    create: async () => {
      await createSpace({ id })
      start(true)
    },
  }
}
