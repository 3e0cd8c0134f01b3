// Previews and strokes in the making, between a speaker and a listener without a network: what expires, and
// what strangers may not do. Time is vitest's.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { createEntities } from '../src/entities.js'
import type { AnyChange } from '../src/entities.js'
import { createPreviews } from '../src/gesture.js'
import { createLiveInk } from '../src/live-ink.js'
import type { LiveBoard } from '../src/live-ink.js'
import type { AnyMember, Hear } from '../src/presence.js'
import { createWrite } from '../src/write.js'
import type { Point, Stroke } from '../src/index.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const member = (id: string): AnyMember => ({
  id,
  userId: `user ${id}`,
  me: false,
  state: {},
  joinedAt: 0,
  away: false,
})
const ann = member('ann')

/** Somebody who hears what is said, and says what he is told to. */
const ear = () => {
  const hearers = new Map<string, Hear>()
  const absent = new Set<(id: string) => void>()
  const said: { topic: string; key: string; data: Uint8Array }[] = []
  return {
    said,
    hear: (from: AnyMember, key: string, data: Uint8Array, topic = 'preview') =>
      hearers.get(topic)?.(from, key, data),
    gone: (id: string) => absent.forEach((fn) => fn(id)),
    channel: {
      say: (topic: string, key: string, data: () => Uint8Array) => said.push({ topic, key, data: data() }),
      onSaid: (topic: string, fn: Hear) => void hearers.set(topic, fn),
      onAbsent: (fn: (id: string) => void) => {
        absent.add(fn)
        return () => absent.delete(fn)
      },
    },
  }
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

describe('previews', () => {
  const setUp = () => {
    const doc = new Y.Doc()
    const root = doc.getMap<unknown>('entities')
    const write = createWrite(doc, () => null)
    const entities = createEntities({ doc, root, write, clearStrokes: () => {}, check: undefined })
    entities.create({ transform: 1 }, { id: 'box' })
    const it = ear()
    const previews = createPreviews({
      channel: it.channel,
      entities,
      write,
      guard: () => {},
      check: undefined,
      user: 'me',
    })
    const changes: AnyChange[] = []
    entities.on('change', (change) => changes.push(change))
    return { ...it, doc, entities, previews, box: entities.get('box')!, changes }
  }

  test('expire after five seconds without renewal, and our own are renewed every two', () => {
    const { hear, box, previews, said } = setUp()
    hear(ann, 'box/transform', json({ value: 2 }))
    vi.advanceTimersByTime(4000)
    hear(ann, 'box/transform', json({ value: 2 }))
    vi.advanceTimersByTime(4900)
    expect(box.live('transform')).toBe(2)
    vi.advanceTimersByTime(200)
    expect(box.live('transform')).toBe(1)
    const gesture = previews.gesture()
    gesture.set('box', 'transform', 3)
    vi.advanceTimersByTime(6100)
    expect(said).toHaveLength(4)
    gesture.cancel()
    vi.advanceTimersByTime(6100)
    expect(said).toHaveLength(5)
    expect(said[4]!.data).toHaveLength(0)
  })

  test('the newest of several counts, and what is below it comes back', () => {
    const { hear, gone, box, changes } = setUp()
    hear(ann, 'box/transform', json({ value: 2 }))
    hear(member('bob'), 'box/transform', json({ value: 3 }))
    expect(box.live('transform')).toBe(3)
    gone('bob')
    expect(box.live('transform')).toBe(2)
    gone('ann')
    expect(changes.map(({ previous, value, source, by }) => [previous, value, source, by])).toEqual([
      [1, 2, 'preview', 'user ann'],
      [2, 3, 'preview', 'user bob'],
      [3, 2, 'preview', 'user bob'],
      [2, 1, 'preview', 'user ann'],
    ])
  })

  test('what is said to be written stays until the document has it, for a second at most', () => {
    const { hear, box, changes } = setUp()
    hear(ann, 'box/transform', json({ value: 2 }))
    hear(ann, 'box/transform', json({ value: 2, written: true }))
    expect(box.live('transform')).toBe(2)
    box.set('transform', 2)
    expect(changes.map(({ source }) => source)).toEqual(['preview', 'local'])
    hear(ann, 'box/transform', json({ value: 3, written: true }))
    vi.advanceTimersByTime(1100)
    expect(box.live('transform')).toBe(2)
    // The document was faster.
    hear(ann, 'box/transform', json({ value: 5 }))
    box.set('transform', 4)
    hear(ann, 'box/transform', json({ value: 4, written: true }))
    expect(box.live('transform')).toBe(4)
    box.set('transform', 6)
    expect(box.live('transform')).toBe(6)
  })

  test('a gesture writes many values at once, and listeners hear each once', () => {
    const { previews, entities, changes, doc, said } = setUp()
    entities.create({ transform: 1 }, { id: 'ball' })
    changes.length = 0
    let updates = 0
    doc.on('update', () => updates++)
    const gesture = previews.gesture()
    for (const value of [2, 3]) for (const id of ['box', 'ball']) gesture.set(id, 'transform', value)
    expect(updates).toBe(0)
    gesture.commit()
    gesture.commit()
    expect(updates).toBe(1)
    expect(changes.map(({ id, value, source }) => [id, value, source])).toEqual([
      ['box', 2, 'preview'],
      ['ball', 2, 'preview'],
      ['box', 3, 'preview'],
      ['ball', 3, 'preview'],
      ['box', 3, 'local'],
      ['ball', 3, 'local'],
    ])
    expect(said.slice(-2).map(({ key, data }) => [key, new TextDecoder().decode(data)])).toEqual([
      ['box/transform', '{"value":3,"written":true}'],
      ['ball/transform', '{"value":3,"written":true}'],
    ])
    expect(() => previews.gesture().set('box', 'transform', NaN)).toThrow('cannot hold')
  })

  test('nonsense of strangers is dropped', () => {
    const { hear, box, changes } = setUp()
    for (const [key, data] of [
      ['box', json({ value: 2 })],
      ['box/__proto__', json({ value: 2 })],
      ['box/transform', json({})],
      ['box/transform', new Uint8Array([123])],
      ['none/transform', json({ value: 2 })],
    ] as const)
      hear(ann, key, data)
    expect(box.live('transform')).toBe(1)
    expect(changes).toEqual([])
  })
})

describe('strokes in the making', () => {
  const setUp = () => {
    const it = ear()
    const ink = createLiveInk(it.channel)
    const written = new Set<string>()
    const idle: string[] = []
    const live = new Map<string, Stroke>()
    const board: LiveBoard = {
      id: 'board',
      live,
      onLive: () => {},
      onIdle: (id) => idle.push(id),
      has: (id) => written.has(id),
    }
    return { ...it, ink, to: ink.attach(board), live, idle, written }
  }
  const stroke = (id: string, count: number): Stroke => ({
    id,
    by: 'ann',
    color: '#ff0000',
    size: 4,
    tool: 'pen',
    points: Array.from({ length: count }, (_, i): Point => [i, i, 1]),
  })
  /** What a speaker says while a stroke grows to `count` points. */
  const spoken = (id: string, count: number) => {
    const { to, said } = setUp()
    for (let n = 1; n <= count; n++) to.grown(stroke(id, n))
    return said
  }

  test('chunks are put together, whatever was lost or came late', () => {
    const { ink, live } = setUp()
    const said = spoken('s', 200)
    expect(new Set(said.map(({ key }) => key)).size).toBe(4)
    const last = new Map(said.map((one) => [one.key, one]))
    for (const part of [0, 2, 1, 3]) ink.hear(ann, `board/s/${part}`, last.get(`board/s/${part}`)!.data)
    expect(live.get('s')!.points).toEqual(stroke('s', 200).points)
    expect(live.get('s')!.by).toBe('user ann')
  })

  test('are idle after ten seconds, when they have arrived, and when their member is gone', () => {
    const { ink, live, idle, to, gone } = setUp()
    for (const id of ['a', 'b', 'c']) ink.hear(ann, `board/${id}/0`, spoken(id, 1)[0]!.data)
    to.arrived('a')
    to.arrived('not mine')
    expect(idle).toEqual(['a'])
    vi.advanceTimersByTime(9000)
    ink.hear(ann, 'board/b/0', spoken('b', 2)[1]!.data)
    vi.advanceTimersByTime(1100)
    expect(idle).toEqual(['a', 'c'])
    gone('ann')
    expect(idle).toEqual(['a', 'c', 'b'])
    expect(live.size).toBe(0)
  })

  test('that were written wait a second for the document, and do not come back', () => {
    const { ink, live, idle, written } = setUp()
    const [chunk] = spoken('a', 1)
    ink.hear(ann, 'board/a/0', chunk!.data)
    ink.hear(ann, 'board/a/end', new Uint8Array([1]))
    expect(live.size).toBe(1)
    vi.advanceTimersByTime(1100)
    expect(idle).toEqual(['a'])
    ink.hear(ann, 'board/a/0', chunk!.data)
    written.add('b')
    ink.hear(ann, 'board/b/0', chunk!.data)
    expect(live.size).toBe(0)
  })

  test('belong to who began them', () => {
    const { ink, live } = setUp()
    live.set('mine', stroke('mine', 1))
    const [chunk] = spoken('a', 1)
    for (const id of ['a', 'mine']) ink.hear(ann, `board/${id}/0`, chunk!.data)
    const eve = member('eve')
    ink.hear(eve, 'board/a/end', new Uint8Array())
    ink.hear(eve, 'board/mine/end', new Uint8Array())
    ink.hear(eve, 'board/a/0', spoken('a', 5).at(-1)!.data)
    expect(live.get('a')!.points).toHaveLength(1)
    expect(live.get('mine')!.by).toBe('ann')
  })

  test('of nonsense are dropped', () => {
    const { ink, live } = setUp()
    const [chunk] = spoken('a', 1)
    for (const key of [
      'board',
      'board/a',
      'board//0',
      'board/a/-1',
      'board/a/1.5',
      'board/a/9999',
      'other/a/0',
    ])
      ink.hear(ann, key, chunk!.data)
    ink.hear(ann, 'board/a/0', new Uint8Array([1, 2, 3]))
    ink.hear(ann, 'board/a/0', chunk!.data.slice(0, -1))
    expect(live.size).toBe(0)
  })
})
