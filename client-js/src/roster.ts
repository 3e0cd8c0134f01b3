// Who is there, as the server says. Compares each list with what is known, so that a reconnect tells nobody
// that somebody left who stayed. Pure.
import { sameJson } from './json.js'
import type { Entry, PresenceEvent } from './presence-wire.js'
import type { AnyMember } from './presence.js'
import type { LeaveReason } from './types.js'

export interface RosterEvents {
  join: (member: AnyMember, info: { firstForUser: boolean }) => void
  leave: (member: AnyMember, info: { lastForUser: boolean; reason: LeaveReason | null }) => void
  update: (member: AnyMember) => void
}

export interface Roster {
  readonly members: ReadonlyMap<string, AnyMember>
  users(): ReadonlyMap<string, readonly AnyMember[]>
  get(id: string): AnyMember | undefined
  of(handle: number): AnyMember | undefined
  /** A WELCOME came: handles are given anew, the rest stays known until the list tells. */
  welcome(me: string): void
  /** A part of the list. True when it was the last. */
  list(entries: readonly Entry[], more: boolean): boolean
  event(event: PresenceEvent): void
  /** Our own state, before the server tells. */
  setState(id: string, state: Record<string, unknown>): void
  /** We lost the connection: nobody can be seen. */
  lost(): void
  readonly size: number
}

type Tell = { [K in keyof RosterEvents]: RosterEvents[K] }

const stateOf = (json: string, name: string): Record<string, unknown> => {
  let state: unknown
  try {
    state = JSON.parse(json)
  } catch {
    // What a stranger wrote is not our fault.
  }
  const own = typeof state === 'object' && state !== null ? (state as Record<string, unknown>) : {}
  return name === '' || own['name'] !== undefined ? own : { ...own, name }
}

export const createRoster = (tell: Tell): Roster => {
  // Members are replaced, never changed: whoever holds one can compare.
  const byId = new Map<string, AnyMember>()
  const names = new Map<string, string>()
  const handles = new Map<number, string>()
  const perUser = new Map<string, number>()
  let snapshot: ReadonlyMap<string, AnyMember> | null = null
  let me = ''
  let listed: Set<string> | null = null
  let waiting: PresenceEvent[] = []

  const count = (userId: string, change: number): number => {
    const now = (perUser.get(userId) ?? 0) + change
    if (now > 0) perUser.set(userId, now)
    else perUser.delete(userId)
    return now
  }

  const put = (member: AnyMember) => {
    snapshot = null
    byId.set(member.id, member)
  }

  const come = (entry: Entry) => {
    const { handle, member: id, user: userId, joinedAt, away, name } = entry
    handles.set(handle, id)
    names.set(id, name)
    const known = byId.get(id)
    const member: AnyMember = { id, userId, me: id === me, state: stateOf(entry.state, name), joinedAt, away }
    if (!known) {
      put(member)
      tell.join(member, { firstForUser: count(userId, 1) === 1 })
    } else change(known, member)
  }

  const change = (known: AnyMember, fields: Partial<AnyMember>) => {
    const member = { ...known, ...fields }
    if (sameJson(known, member)) return
    put(member)
    tell.update(member)
  }

  const go = (member: AnyMember, reason: LeaveReason | null) => {
    snapshot = null
    byId.delete(member.id)
    names.delete(member.id)
    for (const [handle, id] of handles) if (id === member.id) handles.delete(handle)
    tell.leave(member, { lastForUser: count(member.userId, -1) === 0, reason })
  }

  const apply = (event: PresenceEvent) => {
    // What the list already shows may be told once more after it, and then changes nothing (SPEC M8).
    if (event.kind === 'joined') return come(event.entry)
    const member = roster.of(event.handle)
    if (!member) return
    switch (event.kind) {
      case 'left':
        return go(member, event.reason)
      case 'suspended':
        return change(member, { away: true })
      case 'resumed':
        return change(member, { away: false })
      case 'state':
        return roster.setState(member.id, stateOf(event.state, names.get(member.id) ?? ''))
    }
  }

  const roster: Roster = {
    get members() {
      return (snapshot ??= new Map(byId))
    },
    users: () => {
      const users = new Map<string, AnyMember[]>()
      for (const member of byId.values()) {
        const tabs = users.get(member.userId)
        if (tabs) tabs.push(member)
        else users.set(member.userId, [member])
      }
      return users
    },
    get: (id) => byId.get(id),
    of: (handle) => byId.get(handles.get(handle) ?? ''),
    welcome: (id) => {
      me = id
      handles.clear()
      listed = new Set()
      waiting = []
    },
    list: (entries, more) => {
      const seen = (listed ??= new Set())
      for (const entry of entries) {
        seen.add(entry.member)
        come(entry)
      }
      if (more) return false
      listed = null
      for (const member of [...byId.values()]) if (!seen.has(member.id)) go(member, null)
      for (const event of waiting.splice(0)) apply(event)
      return true
    },
    event: (event) => {
      if (listed) waiting.push(event)
      else apply(event)
    },
    setState: (id, state) => {
      const member = byId.get(id)
      if (!member) return
      const { name } = member.state
      const next = state['name'] === undefined && name !== undefined ? { ...state, name } : state
      change(member, { state: next })
    },
    lost: () => {
      listed = null
      for (const member of [...byId.values()]) change(member, { away: true })
    },
    get size() {
      return byId.size
    },
  }
  return roster
}
