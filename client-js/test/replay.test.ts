// Replays through the real server.
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import type { Replay, ReplayOptions, Space } from '../src/index.js'
import { createReplayPoses } from '../src/replay-poses.js'
import { freshName, open as openBare, until } from './support/client.js'
import type { Free } from './support/client.js'
import { createProxy } from './support/proxy.js'
import { startThexrWith } from './support/server.js'
import type { Server } from './support/server.js'

type State = Record<string, unknown>

const joint = (x: number) => ({ pos: [x, 1.6, 0], rot: [0, 0, 0, 1] }) as const

const replayOf = async (space: Space<Free>, options?: ReplayOptions): Promise<Replay<State, State>> => {
  const replay = await space.replay(options)
  onTestFinished(() => replay.destroy())
  await replay.ready
  return replay
}

const numbers = (replay: Replay<State, State>) =>
  [...replay.entities].map((entity) => [entity.id, entity.get('n')]).sort()

describe('poses of a recording', () => {
  test('who moves is moved, who stood still starts late, who jumps does not fly', () => {
    const poses = createReplayPoses()
    const x = (at: number) => poses.pose(1, at)?.head.pos[0]
    expect(poses.pose(1, 0)).toBe(null)
    poses.record(1, 1000, { head: joint(0) })
    poses.record(1, 2000, { head: joint(1) })
    poses.record(1, 10_000, { head: joint(2) })
    poses.record(1, 11_000, { head: joint(100) })
    expect([x(500), x(1000), x(1500), x(2000)]).toEqual([0, 0, 0.5, 1])
    expect([x(8000), x(9000), x(9500), x(10_000)]).toEqual([1, 1, 1.5, 2])
    expect([x(10_999), x(11_000), x(99_000)]).toEqual([2, 100, 100])
    poses.forget(1)
    expect(poses.pose(1, 0)).toBe(null)
  })
})

/** A server that closes every replay as a slow consumer; only its dial number `shown` is told a position before. */
const impatient = async (shown: number) => {
  const file = new URL('../../schema/fixtures/replay.json', import.meta.url)
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as {
    cases: { hex: string; value: { kind: string } }[]
  }
  const position = Buffer.from(cases.find(({ value }) => value.kind === 'position')!.hex, 'hex')
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  const heard = { dials: 0, url: '' }
  server.on('connection', (socket) => {
    if (++heard.dials === shown) socket.send(position)
    socket.close(4508, 'slow_consumer')
  })
  await new Promise((resolve) => server.on('listening', resolve))
  onTestFinished(() => void server.close())
  heard.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return heard
}

test.each([
  { shown: 0, dials: 5 },
  { shown: 3, dials: 7 },
])('a replay that cannot be sent is given up: something shown at dial $shown', async ({ shown, dials }) => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(0) // comes back at once
  onTestFinished(() => random.mockRestore())
  const server = await impatient(shown)
  const replay = await openBare(server.url, freshName(), { autoConnect: false }).replay()
  onTestFinished(() => replay.destroy())
  const errors: unknown[] = []
  replay.on('error', (error) => errors.push(error))
  await until(() => replay.state.state === 'closed', 'the end', 10_000)
  const error = { code: 'NETWORK', message: 'slow_consumer', closeCode: 4508, retryable: false }
  expect(replay.state).toMatchObject({ error })
  expect(errors).toMatchObject([error])
  if (shown) await replay.ready
  else await expect(replay.ready).rejects.toMatchObject(error)
  await expect(replay.seek(1)).rejects.toMatchObject(error)
  expect(server.dials).toBe(dials)
})

test('a destroyed space has no replay, also when it was asked for before', async () => {
  const space = openBare('http://127.0.0.1:9', freshName(), { autoConnect: false })
  const coming = space.replay()
  const gone = space.destroy()
  await expect(coming).rejects.toThrow('the space was destroyed')
  await gone
  await expect(space.replay()).rejects.toThrow('the space was destroyed')
})

describe.skipIf(!process.env['THEXR_BIN'])('replay', () => {
  let server: Server
  beforeAll(async () => {
    server = (await startThexrWith('--pose-track-hz', '20'))!
  })
  afterAll(() => server?.close())

  const edited = async (name: string) => {
    const space = openBare(server.url, name, { presence: {}, user: { id: 'ann', name: 'Ann' } })
    await space.synced
    for (let n = 1; n <= 5; n++) {
      space.entities.create({ n }, { id: `e${n}` })
      await space.saved()
    }
    return space
  }

  test('[R2] its end is the present, and its document cannot be written', async () => {
    const space = await edited(freshName())
    const replay = await replayOf(space, { speed: 64 })
    await until(() => replay.state.state === 'ended', 'the end')
    expect(numbers(replay)).toEqual([...space.entities].map((e) => [e.id, e.get('n')]).sort())
    expect(Y.encodeStateVector(replay.doc)).toEqual(Y.encodeStateVector(space.doc))
    expect(replay.seq).toBe(replay.range.newest)
    expect(replay.range.end.getTime()).toBe(replay.time.getTime())
    expect(() => replay.entities.create({ n: 1 })).toThrow('cannot be changed')
    expect(() => replay.board().clear()).toThrow('cannot be changed')
    space.entities.create({ n: 6 }, { id: 'e6' })
    await space.saved()
    replay.play()
    await until(() => replay.entities.has('e6'), 'what has happened since')
  })

  test('[R3] it seeks and steps, and each jump is another document', async () => {
    const space = await edited(freshName())
    const replay = await replayOf(space, { paused: true })
    expect([replay.state.state, replay.seq, replay.entities.size]).toEqual(['paused', 0, 0])
    let resets = 0
    replay.on('reset', () => resets++)
    const first = replay.doc
    await replay.seek(new Date(Date.now() + 60_000))
    expect(replay.entities.size).toBe(5)
    expect(replay.doc).not.toBe(first)
    const before = replay.doc
    const end = replay.seq
    await replay.step(-1)
    expect(replay.seq).toBeLessThan(end)
    await replay.seek(0)
    const seen: unknown[] = []
    replay.entities.on('add', (entity) => seen.push(entity.id))
    while (replay.entities.size < 3) await replay.step(1)
    expect(seen).toEqual(['e1', 'e2', 'e3'])
    expect(replay.doc).not.toBe(before)
    expect(resets).toBe(3)
    // Only the last of many has to be shown, and all of them are answered.
    await Promise.all(Array.from({ length: 40 }, (_, n) => replay.seek(n % end)))
    await replay.seek(end)
    expect([replay.seq, replay.entities.size]).toEqual([end, 5])
    expect(() => (replay.speed = 100)).toThrow('0.25 to 64')
    expect(() => replay.step(0.5)).toThrow('whole events')
    await expect(Promise.resolve().then(() => replay.seek(NaN))).rejects.toThrow('number of an event')
  })

  test('[R2] people come, go and are where they were', async () => {
    const name = freshName()
    const space = await edited(name)
    const bob = openBare(server.url, name, { presence: {}, user: { id: 'bob', name: 'Bob' } })
    await until(() => space.presence.members.size === 2, 'two')
    for (let x = 0; x < 20; x++) {
      bob.presence.setPose({ head: joint(x / 10) })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await bob.destroy()
    await until(() => space.presence.members.size === 1, 'one')
    // A chunk of poses is stored when it is full, old, or the server stops; until then there are none.
    let chunk: Chunk | undefined
    while (!(chunk = await firstChunk(name))) await new Promise((resolve) => setTimeout(resolve, 200))
    const replay = await space.replay({ speed: 64 })
    onTestFinished(() => replay.destroy())
    const told: string[] = []
    replay.presence.on('join', (m) => told.push(`join ${String(m.state['name'])}`))
    replay.presence.on('leave', (m) => told.push(`leave ${String(m.state['name'])}`))
    await until(() => replay.state.state === 'ended', 'the end')
    expect(told).toEqual(['join Ann', 'join Bob', 'leave Bob'])
    const [ann] = [...replay.presence.members.values()]
    expect(ann?.userId).toBe('ann')
    expect([...replay.presence.users().keys()]).toEqual(['ann'])
    replay.pause()
    const xs: number[] = []
    const [from, to] = [Date.parse(chunk.first_at), Date.parse(chunk.last_at)]
    for (let at = from; at <= to; at += 100) {
      await replay.seek(new Date(at))
      const him = [...replay.presence.members.values()].find((m) => m.userId === 'bob')
      xs.push(replay.presence.pose(him!.id)!.head.pos[0])
    }
    expect(xs.length).toBeGreaterThan(5)
    expect(xs).toEqual([...xs].sort((a, b) => a - b))
    expect(xs[0]).toBeLessThan(0.5)
    expect(xs.at(-1)).toBeGreaterThan(1.5)
  }, 40_000)

  interface Chunk {
    first_at: string
    last_at: string
  }

  const firstChunk = async (name: string): Promise<Chunk | undefined> => {
    const answer = await fetch(`${server.url}/api/v1/spaces/${name}/journal?kind=poses`)
    return ((await answer.json()) as { items: Chunk[] }).items[0]
  }

  test('after a lost connection it goes on where it was', async () => {
    const name = freshName()
    const space = await edited(name)
    const proxy = await createProxy(server.url)
    const far = openBare(proxy.url, name)
    const replay = await replayOf(far, { paused: true, from: 3 })
    const { seq } = replay
    const size = replay.entities.size
    await proxy.close()
    await until(() => replay.state.state === 'connecting', 'the loss')
    const again = await createProxy(server.url, Number(new URL(proxy.url).port))
    onTestFinished(() => again.close())
    await until(() => replay.state.state === 'paused', 'the return', 15_000)
    expect([replay.seq, replay.entities.size]).toEqual([seq, size])
    void space
  })

  /** The last event comes so long after the others that it is not played before we look. */
  const editedLate = async (name: string) => {
    const space = await edited(name)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    space.entities.create({ n: 6 })
    await space.saved()
  }

  test.each([
    { last: 'a seek from the end', play: false, state: 'paused' },
    { last: 'play() and a seek from the end', play: true, state: 'playing' },
  ])(
    'after a lost connection it is $state as $last left it',
    async ({ play, state }) => {
      const name = freshName()
      await editedLate(name)
      const proxy = await createProxy(server.url)
      const replay = await replayOf(openBare(proxy.url, name), { speed: 64 })
      await until(() => replay.state.state === 'ended', 'the end')
      replay.speed = 0.25
      if (play) replay.play()
      await replay.seek(3)
      await until(() => replay.state.state === state, state)
      await proxy.close()
      await until(() => replay.state.state === 'connecting', 'the loss')
      const again = await createProxy(server.url, Number(new URL(proxy.url).port))
      onTestFinished(() => again.close())
      await until(() => replay.state.state !== 'connecting', 'the return', 15_000)
      expect(replay.state.state).toBe(state)
    },
    40_000,
  )

  test('a seek while it plays goes on playing, also when the server was at the end by then', async () => {
    const name = freshName()
    await editedLate(name)
    const proxy = await createProxy(server.url)
    onTestFinished(() => proxy.close())
    const replay = await replayOf(openBare(proxy.url, name), { from: 3, paused: true })
    replay.play()
    await until(() => replay.state.state === 'playing', 'playing')
    proxy.freeze(true)
    await new Promise((resolve) => setTimeout(resolve, 3000)) // to the end, and nobody tells us
    expect(replay.state.state).toBe('playing')
    const states: string[] = []
    replay.on('state', ({ state }) => states.push(state))
    const sought = replay.seek(3)
    proxy.freeze(false)
    await sought
    await until(() => replay.state.state === 'playing', 'playing again')
    expect(states).toContain('ended')
  }, 20_000)

  test('what is wanted while it is being dialled is not lost', async () => {
    const space = await edited(freshName())
    const begun = async (options: ReplayOptions) => {
      const replay = await space.replay(options)
      onTestFinished(() => replay.destroy())
      return replay
    }
    const still = await begun({ from: 0, paused: true })
    await still.seek(4)
    expect([still.seq, still.state.state]).toEqual([4, 'paused'])
    const stepped = await begun({ from: 2, paused: true })
    await Promise.all([stepped.step(1), stepped.step(2), stepped.step(-1)])
    expect(stepped.seq).toBe(4)
    const both = await begun({ from: 0 })
    void both.seek(2)
    await both.step(1)
    expect([both.seq, both.state.state]).toEqual([3, 'paused'])
    const paused = await begun({ from: 0 })
    paused.speed = 8
    paused.pause()
    await until(() => paused.state.state === 'paused', 'the pause')
    const far = await begun({ from: 1e300, paused: true })
    await far.ready
    await far.seek(new Date(8e15))
    expect(far.seq).toBe(far.range.newest)
  })

  test('what the server had not answered when the connection was lost is asked for again', async () => {
    const name = freshName()
    await edited(name)
    const proxy = await createProxy(server.url)
    const far = openBare(proxy.url, name)
    const replay = await replayOf(far, { paused: true, from: 1 })
    proxy.freeze(true)
    const sought = replay.seek(3)
    const stepped = replay.step(1)
    await proxy.close()
    await until(() => replay.state.state === 'connecting', 'the loss')
    const again = await createProxy(server.url, Number(new URL(proxy.url).port))
    onTestFinished(() => again.close())
    await sought
    await stepped
    expect([replay.seq, replay.state.state]).toEqual([4, 'paused'])
  }, 20_000)

  test('[R1] what is not there is said', async () => {
    const space = openBare(server.url, freshName(), { autoConnect: false })
    const replay = await space.replay()
    onTestFinished(() => replay.destroy())
    await expect(replay.ready).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(replay.state.state).toBe('closed')
    await expect(replay.seek(3)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const controller = new AbortController()
    const gone = await space.replay({ signal: controller.signal })
    controller.abort()
    expect(gone.state.state).toBe('closed')
    await expect(gone.seek(3)).rejects.toMatchObject({
      code: 'NETWORK',
      message: 'the replay was destroyed',
    })
    const last = await space.replay()
    await space.destroy()
    expect(last.state.state).toBe('closed')
  })
})
