// The root `entities`: a Y.Map of entity id to a Y.Map of component name to one JSON value.
import * as Y from 'yjs'
import { createEmitter, guarded, untilAborted } from './emitter.js'
import { checkComponentName, checkEntityId, cloneJson, randomId, sameJson } from './json.js'
import { LOCAL } from './origins.js'
import { createQuery } from './query.js'
import type { AnyQuery } from './query.js'
import type { ChangeSource, Off, On } from './types.js'
import { sourceOf } from './write.js'
import type { Write } from './write.js'

// The public types without their generics: inside the package, names and values are not known. The space
// hands them out as Entities<C>.

export interface AnyEntity {
  readonly id: string
  get(component: string): unknown
  live(component: string): unknown
  set(component: string, value: unknown): AnyEntity
  patch(component: string, value: unknown): AnyEntity
  remove(component: string): AnyEntity
  delete(): void
  toJSON(): Record<string, unknown>
}

export interface AnyChange {
  id: string
  component: string
  value?: unknown
  previous?: unknown
  source: ChangeSource
  by?: string
}

interface AnyEvents {
  add: (entity: AnyEntity) => void
  remove: (id: string) => void
  change: (change: AnyChange) => void
}

type Values = Map<string, unknown>

type Overlay = (id: string, component: string) => { value: unknown } | undefined

export interface EntitiesContext {
  doc: Y.Doc
  root: Y.Map<unknown>
  write: Write
  /** The board's ink goes with the entity, in the same transaction. */
  clearStrokes(id: string): void
  check: ((component: string, value: unknown) => void) | undefined
}

export interface AnyEntities extends Iterable<AnyEntity> {
  readonly size: number
  get(id: string): AnyEntity | undefined
  has(id: string): boolean
  create(components: Record<string, unknown>, options?: { id?: string }): AnyEntity
  delete(id: string): void
  query(q: { all: readonly string[]; none?: readonly string[] }): AnyQuery
  observe(
    component: string,
    fn: (change: AnyChange) => void,
    options?: { id?: string; signal?: AbortSignal },
  ): Off
  readonly on: On<AnyEvents>
  /** Hears the ids of all entities a transaction touched, once per transaction. */
  onTouched(fn: (ids: ReadonlySet<string>) => void): () => void
  /** What lies over a component: `live` shows it. */
  overlay(preview: Overlay): void
  /** Tells listeners of a change that is not in the document. */
  tell(change: AnyChange): void
  destroy(): void
}

const valuesOf = (map: unknown): Values => new Map(map instanceof Y.Map ? map.entries() : [])

export const createEntities = ({ doc, root, write, clearStrokes, check }: EntitiesContext): AnyEntities => {
  // What listeners have been told: the other side of every comparison. Reads never come from here.
  const known = new Map<string, Values>()
  const handles = new Map<string, AnyEntity>()
  const emitter = createEmitter<AnyEvents>()
  const touched = new Set<(ids: ReadonlySet<string>) => void>()
  // Keyed by component, and by component and id, so that a change costs only those who asked for it.
  const keyed = new Map<string, Set<(change: AnyChange) => void>>()
  let overlay: Overlay = () => undefined

  const mapOf = (id: string): Y.Map<unknown> | undefined => {
    const map = root.get(id)
    return map instanceof Y.Map ? map : undefined
  }

  const put = (map: Y.Map<unknown>, name: PropertyKey, value: unknown) => {
    const component = checkComponentName(name)
    check?.(component, value)
    const json = cloneJson(component, value)
    if (!map.has(component) || !sameJson(map.get(component), json)) map.set(component, json)
  }

  const remove = (id: string) => {
    write(() => {
      clearStrokes(id)
      if (root.has(id)) root.delete(id)
    }, LOCAL)
  }

  // Handles share these: ten thousand entities do not need ten thousand closures each.
  const handlePrototype: Omit<AnyEntity, 'id'> & ThisType<AnyEntity> = {
    get(component) {
      return mapOf(this.id)?.get(component)
    },
    live(component) {
      const map = mapOf(this.id)
      const preview = map && overlay(this.id, component)
      return preview ? preview.value : map?.get(component)
    },
    set(component, value) {
      write(() => {
        const map = mapOf(this.id)
        if (map) put(map, component, value)
      }, LOCAL)
      return this
    },
    patch(component, value) {
      write(() => {
        const map = mapOf(this.id)
        const before = map?.get(component)
        if (map) put(map, component, isRecord(before) && isRecord(value) ? { ...before, ...value } : value)
      }, LOCAL)
      return this
    },
    remove(component) {
      write(() => {
        const map = mapOf(this.id)
        if (map?.has(component)) map.delete(component)
      }, LOCAL)
      return this
    },
    delete() {
      remove(this.id)
    },
    toJSON() {
      return Object.fromEntries(valuesOf(mapOf(this.id)))
    },
  }

  const handleOf = (id: string): AnyEntity => {
    let handle = handles.get(id)
    if (!handle) {
      handle = Object.assign(Object.create(handlePrototype) as AnyEntity, { id })
      handles.set(id, handle)
    }
    return handle
  }

  const tell = (change: AnyChange) => {
    emitter.emit('change', change)
    for (const key of [change.component, `${change.component}/${change.id}`])
      for (const fn of [...(keyed.get(key) ?? [])]) guarded(fn, change)
  }

  const observer = (events: Y.YEvent<Y.AbstractType<unknown>>[], transaction: Y.Transaction) => {
    const source = sourceOf(transaction)
    const ids = new Set<string>()
    for (const event of events) {
      if (event.target !== root) ids.add(String(event.path[0]))
      else for (const id of (event as Y.YMapEvent<unknown>).keysChanged) ids.add(id)
    }
    const added: AnyEntity[] = []
    const removed: string[] = []
    const changes: AnyChange[] = []
    for (const id of ids) {
      const map = mapOf(id)
      const before = known.get(id)
      const after = valuesOf(map)
      for (const component of new Set([...(before?.keys() ?? []), ...after.keys()])) {
        const previous = before?.get(component)
        const value = after.get(component)
        if (previous === value) continue
        const change: AnyChange = { id, component, source }
        if (previous !== undefined) change.previous = previous
        if (value !== undefined) change.value = value
        changes.push(change)
      }
      if (map) {
        known.set(id, after)
        if (!before) added.push(handleOf(id))
      } else if (known.delete(id)) {
        handles.delete(id)
        removed.push(id)
      }
    }
    for (const entity of added) emitter.emit('add', entity)
    changes.forEach(tell)
    for (const id of removed) emitter.emit('remove', id)
    for (const fn of [...touched]) fn(ids)
  }
  for (const id of root.keys()) if (mapOf(id)) known.set(id, valuesOf(mapOf(id)))
  root.observeDeep(observer)

  const entities: AnyEntities = {
    get size() {
      // Inside a transaction `known` lags behind.
      return doc._transaction ? [...entities].length : known.size
    },
    get: (id) => (mapOf(id) ? handleOf(id) : undefined),
    has: (id) => mapOf(id) !== undefined,
    *[Symbol.iterator]() {
      for (const id of [...root.keys()]) if (mapOf(id)) yield handleOf(id)
    },
    create: (components, options = {}) => {
      const id = checkEntityId(options.id ?? randomId())
      write(() => {
        const map = mapOf(id) ?? root.set(id, new Y.Map<unknown>())
        for (const [name, value] of Object.entries(components)) if (value !== undefined) put(map, name, value)
      }, LOCAL)
      return handleOf(id)
    },
    delete: remove,
    query: (q) => createQuery(entities, q),
    observe: (component, fn, options = {}) => {
      const key = options.id === undefined ? component : `${component}/${options.id}`
      const wrapped = (change: AnyChange) => fn(change)
      const set = keyed.get(key) ?? new Set()
      keyed.set(key, set.add(wrapped))
      const off = () => {
        set.delete(wrapped)
        if (set.size === 0 && keyed.get(key) === set) keyed.delete(key)
      }
      return untilAborted(off, options.signal)
    },
    on: emitter.on,
    onTouched: (fn) => {
      touched.add(fn)
      return () => touched.delete(fn)
    },
    overlay: (preview) => {
      overlay = preview
    },
    tell,
    destroy: () => {
      root.unobserveDeep(observer)
      emitter.clear()
      keyed.clear()
      touched.clear()
    },
  }
  return entities
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
