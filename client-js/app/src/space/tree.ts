// The entities of a space as the rows of a tree: children below the entity their `parent` names.
import type { AppEntity } from './room.js'
import { labelOf, parentOf } from './vocabulary.js'

export interface Row {
  entity: AppEntity
  level: number
  children: number
  place: number
  peers: number
}

/** With a filter the rows are flat. */
export function rowsOf(entities: AppEntity[], filter: string, shut: ReadonlySet<string>): Row[] {
  const needle = filter.trim().toLowerCase()
  if (needle) {
    const found = entities.filter((each) =>
      `${labelOf(each)} ${each.id} ${Object.keys(each.toJSON()).join(' ')}`.toLowerCase().includes(needle),
    )
    return found.map((entity, index) => ({
      entity,
      level: 1,
      children: 0,
      place: index + 1,
      peers: found.length,
    }))
  }
  const known = new Set(entities.map((each) => each.id))
  const under = new Map<string, AppEntity[]>()
  for (const entity of entities) {
    const parent = parentOf(entity)
    const key = parent !== undefined && known.has(parent) && parent !== entity.id ? parent : ''
    const list = under.get(key)
    if (list) list.push(entity)
    else under.set(key, [entity])
  }
  const rows: Row[] = []
  const seen = new Set<string>()
  const walk = (key: string, level: number) => {
    const list = under.get(key) ?? []
    list.forEach((entity, index) => {
      if (seen.has(entity.id)) return
      seen.add(entity.id)
      rows.push({
        entity,
        level,
        children: under.get(entity.id)?.length ?? 0,
        place: index + 1,
        peers: list.length,
      })
      if (!shut.has(entity.id)) walk(entity.id, level + 1)
      else hide(entity.id)
    })
  }
  const hide = (key: string) => {
    for (const entity of under.get(key) ?? [])
      if (!seen.has(entity.id)) {
        seen.add(entity.id)
        hide(entity.id)
      }
  }
  walk('', 1)
  // Two entities can each claim the other as parent. Neither may vanish from the list.
  for (const entity of entities)
    if (!seen.has(entity.id)) rows.push({ entity, level: 1, children: 0, place: 1, peers: 1 })
  return rows
}
