// The past as a space: what the outline, the board, the map and the inspector read instead of the present one. It
// takes no edits and says nothing to anybody.
import { connect, type Member, type Schema } from '@thexr/client'
import * as Y from 'yjs'
import type { AppSpace, Components } from '../space/room.js'
import { thereAt, type Attendee } from './moment.js'

type Presence = AppSpace['presence']

/** A document as entities and boards. */
export type Scene = Pick<AppSpace, 'doc' | 'entities' | 'board'>
/** Who was there. */
export type Crowd = Pick<Presence, 'members' | 'users' | 'pose'> & { on(event: never, fn: never): () => void }

const nothing = () => {}
const refuse = (): never => {
  throw new Error('The past cannot be changed. Restore it, or go back to now.')
}

export function pastSpace(space: AppSpace, scene: Scene, crowd: Crowd): AppSpace {
  const presence = {
    me: null,
    get members() {
      return crowd.members
    },
    users: () => crowd.users(),
    pose: (id: string, now?: number) => crowd.pose(id, now),
    on: (event: never, fn: never) => crowd.on(event, fn),
    set: nothing,
    setPose: nothing,
    view: nothing,
    send: nothing,
  } as unknown as Presence
  const never = Promise.resolve()
  return {
    past: true,
    id: space.id,
    user: space.user,
    get doc() {
      return scene.doc
    },
    get entities() {
      return scene.entities
    },
    board: (name) => scene.board(name),
    presence,
    readOnly: true,
    ready: never,
    synced: never,
    saved: () => never,
    status: { state: 'online', rttMs: null },
    saveState: 'saved',
    pending: 0,
    on: () => nothing,
    history: {
      undo: () => false,
      redo: () => false,
      canUndo: false,
      canRedo: false,
      group: refuse,
      clear: nothing,
      on: () => nothing,
    },
    gesture: refuse,
    transact: refuse,
    replay: refuse,
    adopt: refuse,
    keptCopies: () => Promise.resolve([]),
    connect: nothing,
    disconnect: nothing,
    reconnect: nothing,
    destroy: () => never,
    [Symbol.asyncDispose]: () => never,
  }
}

export interface Loaded extends Scene {
  destroy(): void
}

/** A document of the server as a scene. */
export function sceneOf(id: string, update: Uint8Array): Loaded {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  const inner = connect<Schema<Components, Record<string, unknown>>>(location.origin, id, {
    doc,
    readOnly: true,
    autoConnect: false,
    offline: false,
    presence: false,
  })
  return {
    doc,
    entities: inner.entities,
    board: inner.board,
    destroy: () => void inner.destroy().then(() => doc.destroy()),
  }
}

type AnyMember = Member<Record<string, unknown>>

/** Who was there at a time, as the journal tells. Where they stood is not in it. */
export function crowdAt(attendees: readonly Attendee[], at: number): Crowd & { key: string } {
  const members = new Map<string, AnyMember>()
  for (const { who, away, since } of thereAt(attendees, at))
    members.set(who.member, {
      id: who.member,
      userId: who.user,
      me: false,
      state: { name: who.name },
      joinedAt: since,
      away,
    })
  const users = new Map<string, AnyMember[]>()
  for (const member of members.values())
    users.set(member.userId, [...(users.get(member.userId) ?? []), member])
  return {
    key: [...members.values()].map((member) => `${member.id}${member.away ? '-' : '+'}`).join(),
    members,
    users: () => users,
    pose: () => null,
    on: () => nothing,
  }
}
