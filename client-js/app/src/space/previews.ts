// Who is changing what right now: previews of gestures lie over the document, and this tells whose they are.
import { useEffect, useRef } from 'preact/hooks'
import { colorOf, nameIn } from '../people/identity.js'
import type { AppEntity, AppSpace } from './room.js'

export interface Hand {
  readonly component: string
  readonly name: string
  readonly color: string
}

/** Gives the hands of others on an entity. Whoever calls this renders on changes of entities already. */
export function useHands(space: AppSpace): (entity: AppEntity) => readonly Hand[] {
  const seen = useRef(new Map<string, Map<string, string>>())
  useEffect(() => {
    seen.current.clear()
    return space.entities.on('change', ({ id, component, source, by }) => {
      if (source !== 'preview' || by === undefined || by === space.user) return
      const hands = seen.current.get(id) ?? new Map<string, string>()
      seen.current.set(id, hands.set(component, by))
    })
  }, [space])

  return (entity) => {
    const hands = seen.current.get(entity.id)
    if (!hands) return []
    const now: Hand[] = []
    for (const [component, by] of hands) {
      // Nothing tells that a preview became the written value: then both are the same.
      if (JSON.stringify(entity.live(component)) === JSON.stringify(entity.get(component)))
        hands.delete(component)
      else {
        const member = space.presence.users().get(by)?.[0]
        now.push({ component, name: nameIn(member?.state), color: colorOf(by) })
      }
    }
    if (hands.size === 0) seen.current.delete(entity.id)
    return now
  }
}
