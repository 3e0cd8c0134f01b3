// Gestures: values that change twenty times a second are shown through presence and written once. What is
// shown is not in the document; it lies over it, here and at others, until it is written or withdrawn.
import type { AnyEntities } from './entities.js'
import { checkComponentName, checkEntityId, cloneJson, sameJson } from './json.js'
import { LOCAL } from './origins.js'
import type { PresenceChannel } from './presence.js'
import type { Write } from './write.js'

const TOPIC = 'preview'
const RENEW_MS = 2000
const EXPIRE_MS = 5000
/** The written value comes by another socket, and may be later than the word that it was written. */
const WRITTEN_MS_MAX = 1000

interface Preview {
  value: unknown
  by: string
  /** The gesture is over, and the document will soon say so too. */
  written: boolean
  timer: ReturnType<typeof setTimeout> | undefined
}

export interface AnyGesture {
  set(id: string, component: string, value: unknown): void
  commit(): void
  cancel(): void
}

export interface PreviewsContext {
  channel: Pick<PresenceChannel, 'say' | 'onSaid' | 'onAbsent'>
  entities: AnyEntities
  write: Write
  guard(): void
  check: ((component: string, value: unknown) => void) | undefined
  user: string
}

export interface Previews {
  gesture(): AnyGesture
  destroy(): void
}

const utf8 = new TextEncoder()

const keyOf = (id: string, component: string) => `${id}/${component}`

const split = (key: string): [id: string, component: string] => {
  const at = key.indexOf('/')
  return [checkEntityId(key.slice(0, at)), checkComponentName(key.slice(at + 1))]
}

export const createPreviews = (o: PreviewsContext): Previews => {
  const { channel, entities } = o
  // By key and owner: a member, or one of our gestures. The newest counts, so it is put last.
  const all = new Map<string, Map<string | object, Preview>>()
  const open = new Set<AnyGesture>()

  const top = (key: string): Preview | undefined => [...(all.get(key)?.values() ?? [])].at(-1)

  /** Lays `preview` over a component, or takes the owner's away, and tells of what is seen now. */
  const lay = (key: string, owner: string | object, preview: Preview | null, by: string) => {
    const [id, component] = split(key)
    const written = () => entities.get(id)?.get(component)
    const before = top(key)
    const layers = all.get(key) ?? new Map<string | object, Preview>()
    clearTimeout(layers.get(owner)?.timer)
    layers.delete(owner)
    if (preview) layers.set(owner, preview)
    if (layers.size > 0) all.set(key, layers)
    else all.delete(key)
    const after = top(key)
    const [previous, value] = [before ? before.value : written(), after ? after.value : written()]
    if (!entities.has(id) || sameJson(previous, value)) return
    entities.tell({
      id,
      component,
      source: 'preview',
      by,
      ...(previous !== undefined && { previous }),
      ...(value !== undefined && { value }),
    })
  }

  const expireAfter = (ms: number, key: string, owner: string, by: string) =>
    setTimeout(() => lay(key, owner, null, by), ms)

  channel.onSaid(TOPIC, (from, key, data) => {
    try {
      const [id, component] = split(key)
      const owner = from.id
      const by = from.userId
      if (data.length === 0) return lay(key, owner, null, by)
      const said = JSON.parse(new TextDecoder().decode(data)) as { value?: unknown; written?: boolean }
      const value = cloneJson(component, said.value)
      if (said.written && sameJson(entities.get(id)?.get(component), value)) return lay(key, owner, null, by)
      const written = said.written === true
      const timer = expireAfter(written ? WRITTEN_MS_MAX : EXPIRE_MS, key, owner, by)
      lay(key, owner, { value, by, written, timer }, by)
    } catch {
      // A stranger's nonsense.
    }
  })

  channel.onAbsent((memberId) => {
    for (const [key, layers] of [...all]) {
      const preview = layers.get(memberId)
      if (preview) lay(key, memberId, null, preview.by)
    }
  })

  // What was announced as written has arrived.
  entities.on('change', ({ id, component, source }) => {
    if (source === 'preview') return
    const key = keyOf(id, component)
    for (const [owner, { written, by }] of [...(all.get(key) ?? [])]) if (written) lay(key, owner, null, by)
  })

  entities.overlay((id, component) => top(keyOf(id, component)))

  const gesture = (): AnyGesture => {
    o.guard()
    const owner = {}
    const values = new Map<string, unknown>()

    const say = (key: string, said: (value: unknown) => object | null) => {
      const value = values.get(key)
      channel.say(TOPIC, key, () => {
        const what = said(value)
        return what ? utf8.encode(JSON.stringify(what)) : new Uint8Array()
      })
    }
    const show = (value: unknown) => ({ value })
    const renewTimer = setInterval(() => {
      for (const key of values.keys()) say(key, show)
    }, RENEW_MS)

    /** False when it was over before. */
    const end = (said: (value: unknown) => object | null): boolean => {
      if (!open.delete(mine)) return false
      clearInterval(renewTimer)
      for (const key of values.keys()) say(key, said)
      return true
    }

    const mine: AnyGesture = {
      set: (id, component, value) => {
        if (!open.has(mine)) return
        const key = keyOf(checkEntityId(id), checkComponentName(component))
        o.check?.(component, value)
        const json = cloneJson(component, value)
        values.set(key, json)
        lay(key, owner, { value: json, by: o.user, written: false, timer: undefined }, o.user)
        say(key, show)
      },
      commit: () => {
        if (!open.has(mine)) return
        if (values.size > 0)
          o.write(() => {
            for (const [key, value] of values) {
              const [id, component] = split(key)
              entities.get(id)?.set(component, value)
            }
          }, LOCAL)
        end((value) => ({ value, written: true }))
        // Silent where the document has taken the value over.
        for (const key of values.keys()) lay(key, owner, null, o.user)
      },
      cancel: () => {
        if (end(() => null)) for (const key of values.keys()) lay(key, owner, null, o.user)
      },
    }
    open.add(mine)
    return mine
  }

  return {
    gesture,
    destroy: () => {
      for (const one of [...open]) one.cancel()
      for (const layers of all.values()) for (const { timer } of layers.values()) clearTimeout(timer)
      all.clear()
    },
  }
}
