// The timeline's plain functions: times, places on a line, sentences.
import { describe, expect, test } from 'vitest'
import {
  atOf,
  following,
  momentText,
  rowsOf,
  seqAt,
  thereAt,
  ticksOf,
  zoomed,
  type Activity,
} from '../src/past/moment.js'
import { diffText, linesOf, sentenceOf, type Item } from '../src/past/sentences.js'
import { hrefOf, parseRoute } from '../src/route.js'

const activity: Activity = {
  from: 10_000,
  to: 13_999,
  seqFrom: 5,
  seqTo: 25,
  oldestSeq: 0,
  newestSeq: 30,
  bucketMs: 1000,
  buckets: [
    { edits: 10, members: 1, seq: 15 },
    { edits: 0, members: 1, seq: 15 },
    { edits: 0, members: 0, seq: 15 },
    { edits: 8, members: 2, seq: 25 },
  ],
  members: [
    { member: 'a1', user: 'ana', name: 'Ana', spans: [{ from: 10_000, to: 11_000, away: false }] },
    {
      member: 'b1',
      user: 'ben',
      name: 'Ben',
      spans: [
        { from: 10_500, to: 12_000, away: false },
        { from: 12_000, to: null, away: true },
      ],
    },
    { member: 'a2', user: 'ana', name: 'Ana L', spans: [{ from: 12_000, to: null, away: false }] },
  ],
  moreMembers: 0,
}

test('a moment has a link, and an address that is none is the space', () => {
  expect(parseRoute(hrefOf('lobby', 812))).toEqual({ page: 'space', id: 'lobby', seq: 812 })
  expect(parseRoute(hrefOf('lobby'))).toEqual({ page: 'space', id: 'lobby' })
  expect(parseRoute('#/s/lobby/at/now')).toEqual({ page: 'space', id: 'lobby' })
  expect(parseRoute('#/s/lobby/at/12x')).toEqual({ page: 'space', id: 'lobby' })
})

describe('events and times', () => {
  test('are guessed from each other within a bucket', () => {
    expect(seqAt(activity, 9_000)).toBe(5)
    expect(seqAt(activity, 10_500)).toBe(10)
    expect(seqAt(activity, 12_500)).toBe(15)
    expect(seqAt(activity, 99_000)).toBe(25)
    expect(atOf(activity, 3)).toBe(10_000)
    expect(atOf(activity, 10)).toBe(10_500)
    expect(atOf(activity, 20)).toBe(13_500)
    expect(atOf(activity, 99)).toBe(13_999)
  })
  test('have words that say the day when it is not today', () => {
    const noon = new Date(2026, 10, 25, 12).getTime()
    const early = new Date(2026, 10, 24, 14, 3, 22).getTime()
    expect(momentText(noon - 60_000, noon)).toBe('11:59:00')
    expect(momentText(early, noon)).toBe('14:03:22 yesterday')
    expect(momentText(early - 5 * 86_400_000, noon)).toMatch(/^14:03:22 on .*2026/)
  })
  test('have round ticks, as many as fit', () => {
    const from = new Date(2026, 10, 25, 8, 7).getTime()
    const ticks = ticksOf({ from, to: from + 7_200_000 }, 10)
    expect(ticks.map((tick) => tick.text)).toEqual([
      '08:15',
      '08:30',
      '08:45',
      '09:00',
      '09:15',
      '09:30',
      '09:45',
      '10:00',
    ])
    expect(ticksOf({ from, to: from + 3000 }, 10).map((tick) => tick.text)).toContain('08:07:01')
    expect(ticksOf({ from, to: from + 40 * 86_400_000 }, 10).length).toBeLessThanOrEqual(10)
    expect(ticksOf({ from, to: from }, 10)).toHaveLength(1)
  })
})

test('a zoom keeps the moment in its place and stays within what there is', () => {
  const whole = { from: 0, to: 100_000 }
  expect(zoomed(whole, whole, 0.5, 50_000)).toEqual({ from: 25_000, to: 75_000 })
  expect(zoomed(whole, whole, 0.5, 0)).toEqual({ from: 0, to: 50_000 })
  expect(zoomed({ from: 80_000, to: 100_000 }, whole, 2, 100_000)).toEqual({ from: 60_000, to: 100_000 })
  expect(zoomed({ from: 0, to: 1000 }, whole, 0.1, 500)).toEqual({ from: 0, to: 1000 })
  expect(zoomed(whole, whole, 2, 5)).toEqual(whole)
  expect(following({ from: 0, to: 10_000 }, whole, 98_000)).toEqual({ from: 90_000, to: 100_000 })
  expect(following({ from: 0, to: 10_000 }, whole, 5_000)).toEqual({ from: 0, to: 10_000 })
})

test('the windows of a person are one row, and who is there is known at any time', () => {
  expect(rowsOf(activity.members, activity.to).map(({ name, spans }) => [name, spans.length])).toEqual([
    ['Ana L', 2],
    ['Ben', 2],
  ])
  const there = (at: number) =>
    thereAt(activity.members, at).map(({ who, away }) => `${who.member}${away ? '?' : ''}`)
  expect(there(10_700)).toEqual(['a1', 'b1'])
  expect(there(11_000)).toEqual(['b1'])
  expect(there(12_000)).toEqual(['b1?', 'a2'])
})

describe('sentences', () => {
  const names = {
    user: (id: string) => ({ ana: 'Ana', ben: 'Ben' })[id],
    entity: (id: string) => ({ lamp: 'Lamp' })[id] ?? id,
  }
  const edit = (...changes: NonNullable<Item['changes']>): Item => ({
    seq: 1,
    at: '2026-11-25T10:00:00.000Z',
    kind: 'edit',
    user: 'ana',
    changes,
  })
  test.each<[Partial<Item>, string]>([
    [edit({ entity: 'lamp', component: 'transform', change: 'changed' }), 'Ana moved Lamp'],
    [
      edit({ entity: 'lamp', change: 'added' }, { entity: 'lamp', component: 'light', change: 'added' }),
      'Ana added Lamp',
    ],
    [edit({ entity: 'lamp', component: 'light', change: 'removed' }), 'Ana took light from Lamp'],
    [
      edit({ entity: 'lamp', change: 'removed' }, { entity: 'x', change: 'removed' }),
      'Ana deleted Lamp and 1 more',
    ],
    [edit({ entity: 'board', change: 'strokes', added: 3, erased: 0 }), 'Ana drew 3 strokes'],
    [
      edit({ entity: 'board', change: 'strokes', added: 1, erased: 2 }),
      'Ana drew 1 stroke and erased 2 strokes',
    ],
    [{ kind: 'edit', changes: [] }, 'A program edited'],
    [{ kind: 'joined', user: 'x', name: 'Chloé' }, 'Chloé came'],
    [{ kind: 'left', user: 'ben', reason: 'bye' }, 'Ben left (closed)'],
    [{ kind: 'left', user: 'nobody', reason: 'grace' }, 'Guest left (lost)'],
    [{ kind: 'restored', user: 'ana', restored_seq: 12 }, 'Ana went back to event 12'],
    [{ kind: 'kind_77' }, 'kind_77'],
  ])('%j', (item, text) => {
    expect(sentenceOf({ seq: 1, at: '', kind: '', ...item }, names)).toBe(text)
  })
  test('that repeat are said once', () => {
    const moved = (seq: number) => ({
      ...edit({ entity: 'lamp', component: 'transform', change: 'changed' }),
      seq,
    })
    const lines = linesOf([{ ...moved(1), user: 'ben' }, moved(2), moved(3)], names)
    expect(lines.map(({ seq, text, times }) => [seq, text, times])).toEqual([
      [3, 'Ana moved Lamp', 2],
      [1, 'Ben moved Lamp', 1],
    ])
  })
  test('tell what a restore changes', () => {
    const list = (n: number) => Array.from({ length: n }, () => ({}))
    const board = { added: { count: 12 }, removed: { count: 0 } }
    expect(
      diffText({ entities: { added: list(3), removed: list(2), changed: [] }, strokes: { board }, more: 0 }),
    ).toBe('3 entities come back, 2 go, 12 strokes come back')
    expect(
      diffText({ entities: { added: [], removed: list(1), changed: list(1) }, strokes: {}, more: 7 }),
    ).toBe('1 entity goes, 1 changes, and 7 more')
    expect(diffText({ entities: { added: [], removed: [], changed: [] }, strokes: {}, more: 0 })).toBe('')
  })
})
