// The members of a space as people: tabs of one user together, and nobody shown as away who only reloads.
import type { Member } from '@thexr/client'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { AppSpace } from '../space/room.js'
import { useChanges } from '../ui/hooks.js'
import { colorOf, nameIn } from './identity.js'

export interface Person {
  readonly userId: string
  readonly name: string
  readonly color: string
  readonly me: boolean
  readonly tabs: number
  readonly away: boolean
  readonly since: number
}

type AnyMember = Member<Record<string, unknown>>

/** A reload takes a second or two. Showing that would make everybody's list flicker. */
export const awayAfterMs = 3000

/** Pure. `awayFor` tells how long a member has been away. Me first, then in the order they came. */
export function peopleOf(
  users: ReadonlyMap<string, readonly AnyMember[]>,
  awayFor: (member: AnyMember) => number,
): Person[] {
  const people = [...users].map(([userId, tabs]): Person => {
    const me = tabs.some((tab) => tab.me)
    // Several tabs may carry several names for a moment; mine is the one of this tab.
    const speaker = tabs.find((tab) => tab.me) ?? tabs.find((tab) => !tab.away) ?? tabs[0]
    return {
      userId,
      name: nameIn(speaker?.state),
      color: colorOf(userId),
      me,
      tabs: tabs.length,
      away: tabs.every((tab) => tab.away && awayFor(tab) >= awayAfterMs),
      since: Math.min(...tabs.map((tab) => tab.joinedAt)),
    }
  })
  return people.sort(
    (a, b) => Number(b.me) - Number(a.me) || a.since - b.since || (a.userId < b.userId ? -1 : 1),
  )
}

/** Everybody who is here, rendered again when that changes. Empty until the server tells. */
export function usePeople(space: AppSpace): Person[] {
  const { presence } = space
  useChanges(
    (changed) => {
      const offs = (['join', 'leave', 'update', 'sync'] as const).map((event) => presence.on(event, changed))
      return () => offs.forEach((off) => off())
    },
    [space],
  )
  const awaySince = useRef(new Map<string, number>())
  const [, look] = useState(0)
  const now = Date.now()
  let next = Infinity
  for (const id of awaySince.current.keys()) if (!presence.members.get(id)?.away) awaySince.current.delete(id)
  for (const member of presence.members.values()) {
    if (!member.away) continue
    const since = awaySince.current.get(member.id) ?? now
    awaySince.current.set(member.id, since)
    if (now - since < awayAfterMs) next = Math.min(next, since + awayAfterMs)
  }
  useEffect(() => {
    if (next === Infinity) return
    const timer = setTimeout(() => look((n) => n + 1), next - Date.now() + 1)
    return () => clearTimeout(timer)
  }, [next])
  // Who was away in the past is not about to come back.
  return peopleOf(presence.users(), (member) =>
    space.past ? Infinity : now - (awaySince.current.get(member.id) ?? now),
  )
}
