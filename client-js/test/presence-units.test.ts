// The parts of presence that are functions of what they are told, time included.
import { describe, expect, test } from 'vitest'
import { createClock } from '../src/clock.js'
import { createMotion } from '../src/motion.js'
import { createOutbox } from '../src/outbox.js'
import { packPose } from '../src/pose-wire.js'
import type { Entry, PresenceEvent } from '../src/presence-wire.js'
import { createRoster } from '../src/roster.js'
import { createUplink } from '../src/uplink.js'
import type { Pose } from '../src/index.js'

const TICK = 50
const turn = (angle: number) => [0, Math.sin(angle / 2), 0, Math.cos(angle / 2)] as const
const at = (x: number, angle = 0): Pose => ({ head: { pos: [x, 1.6, 0], rot: turn(angle) } })
const angleOf = (pose: Pose) => 2 * Math.atan2(pose.head.rot[1], pose.head.rot[3])

describe('the clock', () => {
  /** An exchange that takes `there` and `back`, with a server whose clock is `ahead`. */
  const ask = (
    clock: ReturnType<typeof createClock>,
    now: number,
    ahead: number,
    there: number,
    back: number,
  ) => clock.answer(now, now + there + ahead, now + there + ahead, now + there + back)

  test('believes the shortest round trip of the last eight', () => {
    const clock = createClock()
    ask(clock, 0, 1000, 10, 10)
    expect(clock.at(100)).toBeCloseTo(1100)
    for (let i = 1; i < 8; i++) ask(clock, i * 200, 1000, 10, 100) // 45 ms wrong, and longer
    expect(clock.at(2000)).toBeCloseTo(3000)
    expect(clock.rtt).toBe(20)
    ask(clock, 3000, 1000, 10, 100) // the good one is forgotten
    expect(clock.at(3100)).toBeCloseTo(4100, 0)
    expect(clock.at(13_110)).toBeCloseTo(13_110 + 1000 - 45, 0)
  })

  test('drifts by at most 5 ms in a second, and jumps when it is another clock', () => {
    const clock = createClock()
    ask(clock, 0, 1000, 5, 5)
    for (let i = 0; i < 8; i++) ask(clock, 10 + i, 1040, 4, 4)
    const before = clock.at(20)
    expect(clock.at(1020) - before).toBeCloseTo(1005, 1)
    expect(clock.at(60_000)).toBeCloseTo(61_040, 1)
    ask(clock, 60_000, 3_600_000, 4, 4)
    expect(clock.at(60_100)).toBeCloseTo(3_660_100, 1)
  })

  test('asks five times in a second, then every five', () => {
    const clock = createClock()
    expect([1, 4, 5, 6].map((asked) => clock.pause(asked))).toEqual([200, 200, 5000, 5000])
  })
})

describe('motion between samples', () => {
  /** Ticks arrive `late`; a member moves 1 m/s along x. */
  const walk = (motion: ReturnType<typeof createMotion>, ticks: number, late = 20, from = 0) => {
    for (let tick = from; tick < from + ticks; tick++) {
      motion.ticked(tick, tick * TICK, tick * TICK + late)
      motion.record('a', tick * TICK, at((tick * TICK) / 1000))
    }
  }

  test('is smooth and behind by the delay', () => {
    const motion = createMotion(TICK)
    walk(motion, 40)
    const now = 39 * TICK + 40
    for (const dt of [0, 7, 13, 30])
      expect(motion.pose('a', now + dt)!.head.pos[0]).toBeCloseTo((now + dt - motion.delay) / 1000, 2)
    expect(motion.delay).toBeGreaterThanOrEqual(95) // the way of 20 ms, and 75 at least
    expect(motion.delay).toBeLessThan(125)
  })

  test('the delay grows with jitter, to 300 ms at most, and not faster than 5 %', () => {
    const motion = createMotion(TICK)
    walk(motion, 40)
    const calm = motion.delay
    let last = calm
    for (let tick = 40; tick < 400; tick++) {
      motion.ticked(tick, tick * TICK, tick * TICK + (tick % 4 ? 20 : 500))
      expect(Math.abs(motion.delay - last)).toBeLessThanOrEqual((TICK + 480) * 0.05 + 1e-6)
      last = motion.delay
    }
    expect(motion.delay).toBeCloseTo(320, 0)
  })

  test('a fixed delay stays', () => {
    const motion = createMotion(TICK, 200)
    walk(motion, 100)
    expect(motion.delay).toBeCloseTo(220)
  })

  test.each([0, 20, 60])('follows a curve to 2 cm with ticks that are up to %i ms late', (jitter) => {
    const motion = createMotion(TICK)
    const truth = (t: number) => [Math.sin(t / 300), 1.6 + 0.05 * Math.sin(t / 120), 0] as const
    let seed = 7
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647
    let came = 0
    const arrivals = Array.from({ length: 200 }, (_, tick) => {
      came = Math.max(came, tick * TICK + 30 + random() * jitter) // TCP keeps the order
      return { tick, at: came, age: Math.floor(random() * 15) * 4 }
    })
    for (let now = 0; now < 10_000; now += 11) {
      while (arrivals[0] && arrivals[0].at <= now) {
        const { tick, at: arrived, age } = arrivals.shift()!
        motion.ticked(tick, tick * TICK, arrived)
        const sampled = tick * TICK - age
        motion.record('a', sampled, { head: { pos: truth(sampled), rot: turn(0) } })
      }
      const seen = motion.pose('a', now)?.head.pos
      const want = truth(now - motion.delay)
      if (now > 3000) expect(Math.hypot(seen![0] - want[0], seen![1] - want[1])).toBeLessThan(0.02)
    }
  })

  test('goes on for 100 ms and no farther, turning for 50, then holds', () => {
    const motion = createMotion(TICK)
    for (let tick = 0; tick < 20; tick++) {
      motion.ticked(tick, tick * TICK, tick * TICK)
      motion.record('a', tick * TICK, at(tick * 0.05, tick * 0.05))
    }
    const last = 19 * TICK
    const seen = (ms: number) => motion.pose('a', last + motion.delay + ms)!
    expect(seen(40).head.pos[0]).toBeGreaterThan(0.95 + 0.02)
    expect(seen(100).head.pos[0]).toBeCloseTo(0.95 + 0.05, 2)
    expect(seen(5000).head.pos[0]).toBeCloseTo(0.95 + 0.05, 2)
    expect(angleOf(seen(5000))).toBeCloseTo(0.95 + 0.025, 2)
  })

  test('does not go on when later ticks say nothing of it: it has stopped', () => {
    const motion = createMotion(TICK)
    walk(motion, 20)
    for (let tick = 20; tick < 23; tick++) motion.ticked(tick, tick * TICK, tick * TICK + 20)
    expect(motion.pose('a', 23 * TICK + 200)!.head.pos[0]).toBeCloseTo(0.95)
  })

  test('who stood still for a second does not glide there when it moves on', () => {
    const motion = createMotion(TICK)
    for (const tick of [0, 20]) {
      motion.ticked(tick, tick * TICK, tick * TICK) // none in between, because nobody moved
      motion.record('a', tick * TICK, at(tick / 200))
    }
    const seen = (time: number) => motion.pose('a', time + motion.delay)!.head.pos[0]
    expect(seen(900)).toBe(0)
    expect(seen(975)).toBeCloseTo(0.05)
    expect(seen(1000)).toBeCloseTo(0.1)
  })

  test('after ticks that were lost nobody is thought to have stood still', () => {
    const motion = createMotion(TICK)
    for (const [tick, full] of [
      [0, false],
      [1, false],
      [5, true],
    ] as const) {
      motion.ticked(tick, tick * TICK, tick * TICK, full)
      motion.record('a', tick * TICK, at(tick / 20))
    }
    expect(motion.pose('a', 150 + motion.delay)!.head.pos[0]).toBeCloseTo(0.15)
  })

  test.each([
    ['a jump that is told', { ...at(1), teleport: true }],
    ['more than 2 m in a tick', at(3)],
  ])('%s is not flown through', (_, pose) => {
    const motion = createMotion(TICK)
    for (const [tick, where] of [
      [0, at(0)],
      [1, pose],
    ] as const) {
      motion.ticked(tick, tick * TICK, tick * TICK)
      motion.record('a', tick * TICK, where)
    }
    expect(motion.pose('a', 49 + motion.delay)!.head.pos[0]).toBe(0)
    expect(motion.pose('a', 50 + motion.delay)!.head.pos[0]).toBe(pose.head.pos[0])
  })

  test('a dot has no hands, keeps the height it is near to, and is played later the rarer it comes', () => {
    const motion = createMotion(TICK)
    motion.ticked(0, 0, 0)
    const hand = { pos: [0, 1, 0], rot: turn(0) } as const
    motion.record('a', 0, { ...at(0), left: hand })
    for (let i = 1; i <= 5; i++) {
      motion.ticked(i * 8, i * 400, i * 400)
      motion.dot('a', i * 400, { pos: [i * 0.4, 1.625, 0], rot: turn(0) })
    }
    const xs = Array.from({ length: 20 }, (_, i) => motion.pose('a', 2010 + i * 20)!)
    for (const pose of xs) expect(pose.head.pos[1]).toBe(1.6)
    expect(xs.at(-1)!.left).toBeUndefined()
    const steps = xs.slice(1).map((pose, i) => pose.head.pos[0] - xs[i]!.head.pos[0])
    expect(Math.max(...steps)).toBeLessThan(0.05) // 20 mm are one step of 1 m/s
  })

  test('knows nothing of strangers, and forgets', () => {
    const motion = createMotion(TICK)
    expect(motion.pose('a', 0)).toBeNull()
    walk(motion, 3)
    expect(motion.pose('a', 0)!.head.pos[0]).toBe(0)
    motion.forget('a')
    expect(motion.pose('a', 0)).toBeNull()
  })
})

describe('the roster', () => {
  const entry = (handle: number, user: string, fields: Partial<Entry> = {}): Entry => ({
    handle,
    member: `m${handle}`,
    away: false,
    role: 1,
    joinedAt: 7,
    yjsClient: 0,
    user,
    name: user.toUpperCase(),
    state: '{}',
    ...fields,
  })
  const watched = () => {
    const told: string[] = []
    const roster = createRoster({
      join: (m, { firstForUser }) => told.push(`+${m.id}${firstForUser ? '!' : ''}`),
      leave: (m, { lastForUser }) => told.push(`-${m.id}${lastForUser ? '!' : ''}`),
      update: (m) => told.push(`~${m.id}${m.away ? ' away' : ''}`),
    })
    return { roster, told: () => told.splice(0) }
  }
  const event = (seq: number, handle: number, rest: object) =>
    ({ seq, at: 0, handle, ...rest }) as PresenceEvent

  test('two tabs of one user are two members; the first comes and the last leaves for the user', () => {
    const { roster, told } = watched()
    roster.welcome('m1')
    expect(roster.list([entry(1, 'ann')], false)).toBe(true)
    roster.event(event(6, 2, { kind: 'joined', entry: entry(2, 'ann') }))
    roster.event(event(7, 3, { kind: 'joined', entry: entry(3, 'bob') }))
    expect(told()).toEqual(['+m1!', '+m2', '+m3!'])
    expect([...roster.users()].map(([user, tabs]) => [user, tabs.length])).toEqual([
      ['ann', 2],
      ['bob', 1],
    ])
    roster.event(event(8, 1, { kind: 'left', reason: 'bye', heardAt: 0 }))
    roster.event(event(9, 2, { kind: 'left', reason: 'grace', heardAt: 0 }))
    expect(told()).toEqual(['-m1', '-m2!'])
    expect(roster.get('m3')).toMatchObject({ me: false, userId: 'bob', state: { name: 'BOB' } })
  })

  test('after a reconnect only what changed is told, whatever the handles', () => {
    const { roster, told } = watched()
    roster.welcome('m1')
    roster.list([entry(1, 'ann'), entry(2, 'bob'), entry(3, 'cem')], false)
    told()
    roster.lost()
    expect(told()).toEqual(['~m1 away', '~m2 away', '~m3 away'])
    expect(roster.members.size).toBe(3)
    roster.welcome('m1')
    expect(roster.list([{ ...entry(1, 'ann'), handle: 11 }], true)).toBe(false)
    roster.event(event(10, 2, { kind: 'suspended', heardAt: 0 })) // waits for the whole list
    expect(roster.list([entry(2, 'bob'), entry(4, 'dan')], false)).toBe(true)
    expect(told()).toEqual(['~m1', '~m2', '+m4!', '-m3!', '~m2 away'])
    expect(roster.of(11)!.id).toBe('m1')
    expect(roster.of(3)).toBeUndefined()
  })

  test('an event that the list already shows is not told again, and state is a member’s own', () => {
    const { roster, told } = watched()
    roster.welcome('m1')
    roster.list(
      [entry(1, 'ann', { state: '{"name":"Ännchen","hat":1}' }), entry(2, 'bob', { state: '?' })],
      false,
    )
    told()
    roster.event(
      event(4, 1, { kind: 'joined', entry: entry(1, 'ann', { state: '{"name":"Ännchen","hat":1}' }) }),
    )
    roster.event(event(5, 2, { kind: 'resumed' }))
    roster.event(event(0, 2, { kind: 'state', state: '{"hat":2}' }))
    roster.event(event(0, 9, { kind: 'state', state: '{}' }))
    expect(told()).toEqual(['~m2'])
    expect(roster.get('m1')!.state).toEqual({ name: 'Ännchen', hat: 1 })
    expect(roster.get('m2')!.state).toEqual({ name: 'BOB', hat: 2 })
    const before = roster.members
    expect(roster.members).toBe(before)
    roster.event(event(6, 2, { kind: 'suspended', heardAt: 0 }))
    expect(roster.members).not.toBe(before)
    expect(before.get('m2')!.away).toBe(false)
  })
})

describe('the outbox', () => {
  const byte = (n: number) => () => new Uint8Array([n])

  test('says of one key only the newest, and keeps the order', () => {
    const outbox = createOutbox()
    outbox.put('t', 'a', byte(1))
    outbox.put('t', 'b', byte(2))
    outbox.put('t', 'a', byte(3))
    expect(outbox.take(0).map(({ key, data }) => [key, data[0]])).toEqual([
      ['a', 3],
      ['b', 2],
    ])
    expect(outbox.size).toBe(0)
  })

  test('says at most 60 in any second, and nothing that is too large', () => {
    const outbox = createOutbox()
    outbox.put('t', 'large', () => new Uint8Array(4097))
    for (let i = 0; i < 200; i++) outbox.put('t', String(i), byte(0))
    const times: number[] = []
    for (let now = 0; now < 6000; now += 50) for (const _ of outbox.take(now)) times.push(now)
    expect(times).toHaveLength(200)
    for (const start of times)
      expect(times.filter((t) => t >= start && t < start + 1000).length).toBeLessThan(61)
  })

  test('says at most 64 kB in any second', () => {
    const outbox = createOutbox()
    const sizes: [number, number][] = []
    for (let now = 0; now < 5000; now += 50) {
      for (const key of ['a', 'b', 'c']) outbox.put('t', key, () => new Uint8Array(4000))
      for (const { data } of outbox.take(now)) sizes.push([now, data.length])
    }
    for (const [start] of sizes) {
      const within = sizes.filter(([t]) => t >= start && t < start + 1000)
      expect(within.reduce((sum, [, size]) => sum + size, 0)).toBeLessThan(64_000)
    }
  })
})

describe('the uplink', () => {
  const record = (x: number, teleport = false) =>
    packPose({ ...at(x), ...(teleport && { teleport }) }, { origin: [0, 0, 0], scale: 1 })
  const setUp = (alone = false, hz = 20, handle = 0) => {
    const clock = createClock()
    clock.answer(0, 10, 10, 20) // 20 ms round trip, no offset
    const uplink = createUplink(hz, clock, () => alone)
    uplink.reset({ handle, tickMs: TICK, tick0: 0 })
    return uplink
  }
  /** Sets a moving pose every 10 ms and sends when told to; the times of sending. */
  const run = (uplink: ReturnType<typeof setUp>, from: number, to: number, buffered = 0) => {
    const times: number[] = []
    let due: number | null = null
    for (let now = from; now < to; now++) {
      if (now % 10 === 0) uplink.set(record(now / 100), now)
      due ??= uplink.next(now)
      if (due === null || now < due) continue
      due = null
      if (uplink.take(now, buffered)) times.push(now)
    }
    return times
  }

  test('sends once per tick, half a round trip and a margin before it', () => {
    const times = run(setUp(), 1000, 2000)
    expect(times).toHaveLength(20)
    for (const time of times) expect((time + 15) % TICK).toBeLessThanOrEqual(1)
  })

  test('handles are spread over 16 ms', () => {
    const phases = Array.from(
      { length: 50 },
      (_, handle) => run(setUp(false, 20, handle), 1000, 1100)[0]! % TICK,
    )
    expect(Math.max(...phases) - Math.min(...phases)).toBeGreaterThan(12)
    expect(Math.max(...phases) - Math.min(...phases)).toBeLessThanOrEqual(17)
  })

  test('keeps to the rate it was given, and to one a second while alone', () => {
    expect(run(setUp(false, 5), 1000, 3000)).toHaveLength(10)
    expect(run(setUp(true), 1000, 5000)).toHaveLength(4)
  })

  test('what does not move is sent once a second, when it is set', () => {
    const uplink = setUp()
    uplink.set(record(1), 1000)
    expect(uplink.take(1000, 0)).not.toBeNull()
    uplink.set(record(1.002), 1100)
    expect(uplink.next(1100)).toBeNull()
    uplink.set(record(1.002), 2001)
    expect(uplink.next(2001)).not.toBeNull()
  })

  test('a socket that does not drain gets nothing, and a jump is not forgotten over it', () => {
    const uplink = setUp()
    uplink.set(record(1, true), 1000)
    expect(uplink.take(1000, 100_000)).toBeNull()
    uplink.set(record(2), 1010)
    expect(uplink.take(1020, 0)!.record[0]! & 8).toBe(8)
    uplink.set(record(3), 1030)
    expect(uplink.take(1070, 0)!.record[0]! & 8).toBe(0)
  })

  test('nothing is sent before the server let us in', () => {
    const uplink = setUp()
    uplink.reset(null)
    uplink.set(record(1), 1000)
    expect(uplink.next(1000)).toBeNull()
  })
})
