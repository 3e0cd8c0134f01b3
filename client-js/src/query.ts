// Entities that have some components and lack others. Follows the document only while somebody listens.
import { createEmitter } from './emitter.js'
import type { AnyEntities, AnyEntity } from './entities.js'
import type { On } from './types.js'

interface AnyQueryEvents {
  enter: (entity: AnyEntity) => void
  exit: (id: string) => void
  change: (entity: AnyEntity) => void
}

/** Query without its generics. */
export interface AnyQuery extends Iterable<AnyEntity> {
  readonly size: number
  readonly snapshot: readonly AnyEntity[]
  readonly on: On<AnyQueryEvents>
}

export const createQuery = (
  entities: AnyEntities,
  q: { all: readonly string[]; none?: readonly string[] },
): AnyQuery => {
  const all = [...q.all]
  const none = [...(q.none ?? [])]
  let members: Map<string, AnyEntity> | null = null // null while asleep
  let snapshot: readonly AnyEntity[] | null = null
  let stop: (() => void) | null = null

  const matches = (entity: AnyEntity): boolean =>
    all.every((name) => entity.get(name) !== undefined) &&
    none.every((name) => entity.get(name) === undefined)

  const scan = (): AnyEntity[] => [...entities].filter(matches)

  const follow = (ids: ReadonlySet<string>) => {
    if (!members) return
    const calls: (() => void)[] = []
    for (const id of ids) {
      const entity = entities.get(id)
      const was = members.get(id)
      if (entity && matches(entity)) {
        members.set(id, entity)
        if (was !== entity) snapshot = null
        // A handle that changed under a kept id means that it was deleted and came back.
        calls.push(() => emitter.emit(was === entity ? 'change' : 'enter', entity))
      } else if (was) {
        members.delete(id)
        snapshot = null
        calls.push(() => emitter.emit('exit', id))
      }
    }
    for (const call of calls) call()
  }

  const emitter = createEmitter<AnyQueryEvents>((total) => {
    if (total > 0 && !stop) {
      members = new Map(scan().map((entity) => [entity.id, entity]))
      snapshot = null
      stop = entities.onTouched(follow)
    } else if (total === 0 && stop) {
      stop()
      stop = members = snapshot = null
    }
  })

  const query: AnyQuery = {
    get size() {
      return members?.size ?? scan().length
    },
    get snapshot() {
      if (!members) return scan()
      return (snapshot ??= [...members.values()])
    },
    [Symbol.iterator]: () => query.snapshot[Symbol.iterator](),
    on: emitter.on,
  }
  return query
}
