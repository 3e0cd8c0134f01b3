// People and places as plain functions of what they are given.
import type { Member } from '@thexr/client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { roundMetres, toScreen } from '../src/map/paint.js'
import { facingOf, poseOf, speedMax, walk, wayTo, worldEnd, type Walker } from '../src/map/walk.js'
import { createAnnouncer } from '../src/people/announce.js'
import { colorOf, initialsOf, nameIn, nameMax, personColors } from '../src/people/identity.js'
import { awayAfterMs, peopleOf } from '../src/people/people.js'

describe('identity', () => {
  test('the same id has the same colour, and ids that differ little differ in it', () => {
    expect(colorOf('ana')).toBe(colorOf('ana'))
    const colors = new Set(Array.from({ length: 24 }, (_, n) => colorOf(`crowd-${n}`)))
    expect(colors.size).toBeGreaterThan(7)
  })
  test('white letters can be read on every colour', () => {
    for (const color of personColors) {
      const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255)
      const linear = [r, g, b].map((v = 0) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      const luminance = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!
      expect(1.05 / (luminance + 0.05), color).toBeGreaterThan(4.5)
    }
  })
  test('a stranger’s name is one line of bounded length, whatever they sent', () => {
    expect(nameIn({ name: '  Ana\n\u202eLima ' })).toBe('Ana Lima')
    expect([...nameIn({ name: '🙂'.repeat(500) })].length).toBe(nameMax)
    for (const state of [null, undefined, 3, {}, { name: 7 }, { name: '' }, { name: '\u0000' }])
      expect(nameIn(state)).toBe('Guest')
  })
  test.each([
    ['Ana Lima', 'AL'],
    ['Hugo van der Meer', 'HM'],
    ['Chloé', 'C'],
    ['田中 花子', '田花'],
    ['🙂', '?'],
  ])('%s is shown as %s', (name, letters) => {
    expect(initialsOf(name)).toBe(letters)
  })
})

describe('people', () => {
  const member = (id: string, userId: string, more: object = {}): Member<Record<string, unknown>> => ({
    id,
    userId,
    me: false,
    state: { name: userId },
    joinedAt: 1,
    away: false,
    ...more,
  })
  const users = (...members: Member<Record<string, unknown>>[]) =>
    new Map(members.map(({ userId }) => [userId, members.filter((each) => each.userId === userId)]))

  test('tabs of a user are one person, I am first, the others in the order they came', () => {
    const people = peopleOf(
      users(
        member('1', 'ben', { joinedAt: 5 }),
        member('2', 'ana', { joinedAt: 9, me: true }),
        member('3', 'cleo', { joinedAt: 3 }),
        member('4', 'ben', { joinedAt: 2 }),
      ),
      () => 0,
    )
    expect(people.map(({ userId, tabs, since }) => [userId, tabs, since])).toEqual([
      ['ana', 1, 9],
      ['ben', 2, 2],
      ['cleo', 1, 3],
    ])
  })
  test('somebody is away when every tab is, for longer than a reload takes', () => {
    const away = (ms: number, ...tabs: boolean[]) =>
      peopleOf(users(...tabs.map((each, n) => member(String(n), 'ben', { away: each }))), () => ms)[0]?.away
    expect(away(awayAfterMs - 1, true)).toBe(false)
    expect(away(awayAfterMs, true)).toBe(true)
    expect(away(awayAfterMs, true, false)).toBe(false)
  })
})

describe('announcements', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const listen = () => {
    const told: [number, string][] = []
    return { told, announcer: createAnnouncer((text) => told.push([Date.now(), text])) }
  }
  test('many who come together are one note, and notes are two seconds apart', () => {
    const { told, announcer } = listen()
    for (const name of ['Ana', 'Ben', 'Cleo', 'Dan', 'Eda']) announcer.joined(name, name)
    vi.advanceTimersByTime(500)
    announcer.joined('Femi', 'Femi')
    announcer.left('Ana', 'Ana')
    vi.advanceTimersByTime(5000)
    expect(told).toEqual([
      [300, '5 people joined'],
      [2300, 'Femi joined. Ana left'],
    ])
  })
  test('who comes and goes at once is not worth a word', () => {
    const { told, announcer } = listen()
    announcer.joined('Ana', 'Ana')
    announcer.left('Ana', 'Ana')
    vi.advanceTimersByTime(5000)
    expect(told).toEqual([])
  })
})

describe('walking', () => {
  const start: Walker = { x: 0, z: 0, yaw: 0, vx: 0, vz: 0 }
  const after = (seconds: number, wish: Parameters<typeof walk>[1], from = start) => {
    let me = from
    for (let n = 0; n < seconds * 60; n++) {
      const next = walk(me, wish, 1 / 60)
      expect(Math.hypot(next.x - me.x, next.z - me.z) * 60).toBeLessThanOrEqual(speedMax + 1e-9)
      me = next
    }
    return me
  }
  test.each([true, false])('goes up to two metres a second and looks where it goes (sharp: %s)', (sharp) => {
    const me = after(2, { way: [1, 0], sharp })
    expect(me.x).toBeGreaterThan(3.7)
    expect(me.z).toBeCloseTo(0)
    expect(facingOf(poseOf(me).head)?.[0]).toBeCloseTo(1)
    const stopped = after(1, { way: [0, 0], sharp }, me)
    expect([stopped.vx, stopped.vz]).toEqual([0, 0])
  })
  test('two keys are not faster than one', () => {
    const me = after(1, { way: [1, 1], sharp: true })
    expect(Math.hypot(me.x, me.z)).toBeCloseTo(speedMax)
  })
  test('arrives at a point and stays there', () => {
    const me = after(4, { target: [2, -1] })
    expect(me.x).toBeCloseTo(2, 1)
    expect(me.z).toBeCloseTo(-1, 1)
    expect(after(1, { target: [2, -1] }, me).x).toBeCloseTo(me.x, 1)
  })
  test('a frame that took a minute is a step, and the world ends', () => {
    expect(walk(start, { way: [1, 0], sharp: true }, 60).x).toBeLessThanOrEqual(0.2)
    const edge = { ...start, x: worldEnd }
    expect(walk(edge, { way: [1, 0], sharp: true }, 0.1).x).toBe(worldEnd)
  })
  test('the way to somebody in words', () => {
    expect(wayTo(start, 0, -3)).toBe('3.0 metres north')
    expect(wayTo(start, 20, 20)).toBe('28 metres south-east')
    expect(wayTo(start, 0.1, 0)).toBe('beside you')
  })
})

test('the grid has round metres, and the middle of the view is the middle of the window', () => {
  expect([4, 10, 56, 160].map((scale) => roundMetres(scale, 40))).toEqual([10, 5, 1, 0.5])
  const at = toScreen({ view: { x: 3, z: -2, scale: 50 }, width: 400, height: 300 })
  expect(at(3, -2)).toEqual([200, 150])
  expect(at(4, -3)).toEqual([250, 100])
})
