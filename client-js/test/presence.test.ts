// Presence through the real server. A stock Yjs server has none, so without THEXR_BIN there is nothing to test.
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Change, Member, Pose, Space, Stroke, ThexrError } from '../src/index.js'
import { freshName, open as openBare, until } from './support/client.js'
import type { Free } from './support/client.js'
import { createProxy } from './support/proxy.js'
import { startServer } from './support/server.js'
import type { Server } from './support/server.js'

type State = Record<string, unknown>
type Someone = { id: string; name: string }

const ann: Someone = { id: 'ann', name: 'Ann' }
const bob: Someone = { id: 'bob', name: 'Bob' }
const joint = (x: number, y: number, z: number) => ({ pos: [x, y, z], rot: [0, 0, 0, 1] }) as const

const open = (url: string, space: string, user: Someone, options: Parameters<typeof openBare>[2] = {}) =>
  openBare(url, space, { presence: {}, user, ...options })

const present = (space: Space<Free>, count: number) =>
  until(
    () => space.presence.members.size === count && [...space.presence.members.values()].every((m) => !m.away),
    `${count} present`,
  )

/** The storage of a tab, which a reload keeps. */
const stubStorage = () => {
  const storage = new Map<string, string>()
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
    removeItem: (key: string) => storage.delete(key),
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  return storage
}

/** What listeners hear from now on. */
const listen = (space: Space<Free>) => {
  const told: string[] = []
  const name = (m: Member<State>) => String(m.state['name'])
  space.presence.on('join', (m, { firstForUser }) =>
    told.push(`join ${name(m)}${firstForUser ? ' first' : ''}`),
  )
  space.presence.on('leave', (m, { lastForUser }) =>
    told.push(`leave ${name(m)}${lastForUser ? ' last' : ''}`),
  )
  space.presence.on('update', (m) => told.push(`${name(m)} ${m.away ? 'away' : 'here'}`))
  return told
}

describe.skipIf(!process.env['THEXR_BIN'])('presence', () => {
  let server: Server
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server?.close())

  test('two see each other come and go; a second tab is the same user', async () => {
    const name = freshName()
    const one = open(server.url, name, ann)
    await present(one, 1)
    expect(one.presence.me).toMatchObject({ userId: 'ann', me: true, away: false, state: { name: 'Ann' } })
    expect(one.presence.me!.id).toMatch(/^[0-9a-f]{32}$/)
    const told = listen(one)
    const two = open(server.url, name, bob, { presence: { state: { hat: 'red' } } })
    const tab = open(server.url, name, bob)
    await Promise.all([one, two, tab].map((space) => present(space, 3)))
    expect(told.filter((line) => line.startsWith('join')).sort()).toEqual(['join Bob', 'join Bob first'])
    expect([...one.presence.users()].map(([user, tabs]) => [user, tabs.length])).toEqual([
      ['ann', 1],
      ['bob', 2],
    ])
    expect(one.presence.members.get(two.presence.me!.id)!.state).toEqual({ name: 'Bob', hat: 'red' })
    expect(two.presence.me!.id).not.toBe(tab.presence.me!.id)
    await two.destroy()
    await until(() => told.includes('leave Bob'), 'one tab left')
    await tab.destroy()
    await until(() => told.includes('leave Bob last'), 'the user left')
    expect(one.presence.members.size).toBe(1)
  })

  test('state is merged, told to others, and refused when too large', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2)])
    one.presence.set({ colour: 'green' })
    for (let i = 0; i <= 20; i++) one.presence.set({ cursor: i })
    expect(one.presence.me!.state).toEqual({ name: 'Ann', colour: 'green', cursor: 20 })
    const seen = () => two.presence.members.get(one.presence.me!.id)!.state
    await until(() => seen()['cursor'] === 20, 'the newest state')
    expect(seen()).toEqual({ name: 'Ann', colour: 'green', cursor: 20 })
    expect(() => one.presence.set({ big: 'x'.repeat(1100) })).toThrow('more than 1024 bytes')
    expect(() => one.presence.set({ bad: NaN })).toThrow('cannot hold')
    expect(one.presence.me!.state).toEqual(seen())
  })

  test('a reload of the page is a pause, not a leave and a join', async () => {
    const proxy = await createProxy(server.url)
    onTestFinished(proxy.close)
    const storage = stubStorage()
    const name = freshName()
    const before = open(proxy.url, name, ann)
    await present(before, 1)
    const id = before.presence.me!.id
    expect(storage.size).toBe(1)
    const token = new Map(storage)
    storage.clear() // the other one has a storage of its own
    const other = open(server.url, name, bob)
    await present(other, 2)
    const told = listen(other)
    // The tab goes without a word …
    await proxy.close()
    await until(() => told.includes('Ann away'), 'away')
    // … and comes back with what it kept, at the address it kept it for.
    const back = await createProxy(server.url, Number(new URL(proxy.url).port))
    onTestFinished(back.close)
    before.disconnect()
    storage.clear()
    for (const [key, value] of token) storage.set(key, value)
    const after = open(back.url, name, ann)
    await present(other, 2)
    await present(after, 2)
    expect(after.presence.me!.id).toBe(id)
    expect(told).toEqual(['Ann away', 'Ann here'])
  })

  test('a restart of the server is a pause for everybody', async () => {
    const own = await startServer()
    onTestFinished(own.close)
    const name = freshName()
    const spaces = [open(own.url, name, ann), open(own.url, name, bob)]
    await Promise.all(spaces.map((space) => present(space, 2)))
    const ids = spaces.map((space) => space.presence.me!.id)
    const told = spaces.map(listen)
    await own.kill()
    await until(() => told.every((lines) => lines.length === 2), 'all away')
    for (const space of spaces) expect(space.presence.members.size).toBe(2)
    await own.restart()
    await Promise.all(
      spaces.map((space) =>
        until(() => [...space.presence.members.values()].every(({ away }) => !away), 'all here', 10_000),
      ),
    )
    expect(spaces.map((space) => space.presence.me!.id)).toEqual(ids)
    for (const lines of told) {
      expect(lines.slice(0, 2).sort()).toEqual(['Ann away', 'Bob away'])
      expect(lines.filter((line) => /join|leave/.test(line))).toEqual([])
    }
  }, 30_000)

  test('disconnect() says good-bye, and reconnecting is a new member', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2)])
    const first = one.presence.me!.id
    const told = listen(two)
    one.disconnect()
    await until(() => told.includes('leave Ann last'), 'left at once', 2000)
    expect([...one.presence.members.values()].map(({ away }) => away)).toEqual([true, true])
    one.connect()
    await present(two, 2)
    await present(one, 2)
    expect(one.presence.me!.id).not.toBe(first)
    expect(told.at(-1)).toBe('join Ann first')
  })

  test('a pose arrives within the bounds of its record, and is played smoothly', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2)])
    const id = one.presence.me!.id
    const heard: Pose[] = []
    two.presence.on('pose', (member, pose) => member.id === id && heard.push(pose))
    expect(two.presence.pose(id)).toBeNull()
    const rot = [0.1, 0.7, 0.1, 0.7] as const
    const sent: Pose = {
      head: { pos: [1.2344, 1.7012, -3.4567], rot },
      right: { pos: [1.5, 1.2, -3.6], rot: [0, 0, 0, 1], trigger: true },
    }
    one.presence.setPose(sent)
    await until(() => heard.length > 0, 'a pose')
    const got = heard[0]!
    for (const axis of [0, 1, 2] as const) {
      expect(Math.abs(got.head.pos[axis] - sent.head.pos[axis])).toBeLessThanOrEqual(0.00051)
      expect(Math.abs(got.right!.pos[axis] - sent.right!.pos[axis])).toBeLessThanOrEqual(0.00176)
    }
    const dot = got.head.rot.reduce((sum, v, i) => sum + v * rot[i]!, 0)
    expect(2 * Math.acos(Math.min(1, Math.abs(dot)))).toBeLessThan(0.005)
    expect(got.right).toMatchObject({ trigger: true })
    expect(got.left).toBeUndefined()
    await until(() => Math.abs(two.presence.pose(id)!.head.pos[0] - 1.2344) < 0.001, 'it is played')
    expect(one.presence.pose(id)).toEqual(sent)

    // One metre per second for a second and a half.
    const from = performance.now()
    const seen: number[] = []
    while (performance.now() - from < 1500) {
      one.presence.setPose({ head: joint(1.2344 + (performance.now() - from) / 1000, 1.7, 0) })
      seen.push(two.presence.pose(id)!.head.pos[0])
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    // How far behind and how often is a matter of the machine; never back by more than is ever guessed ahead.
    expect(seen.at(-1)! - 1.2344).toBeGreaterThan(0.7)
    for (let i = 1; i < seen.length; i++) expect(seen[i]! - seen[i - 1]!).toBeGreaterThan(-0.1)
    expect(heard.length).toBeGreaterThan(5)
    expect(one.pending + two.pending).toBe(0) // nothing of it is in the document
  })

  test('what is no pose is refused at the call', () => {
    const space = open(server.url, freshName(), ann)
    for (const head of [
      { pos: [0, NaN, 0], rot: [0, 0, 0, 1] },
      { pos: [0, Infinity, 0], rot: [0, 0, 0, 1] },
      { pos: [0, 0, 0], rot: [0, 0, 0, 0] },
      { pos: [0, 0, 0], rot: [0, 0, NaN, 1] },
    ] as const)
      expect(() => space.presence.setPose({ head })).toThrow('not a pose')
  })

  test('messages reach the others and not oneself', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2)])
    const heard: unknown[] = []
    const own: unknown[] = []
    two.presence.on('message', (topic, data, from) => heard.push([topic, data, from.userId]))
    one.presence.on('message', (topic) => own.push(topic))
    one.presence.send('wave', { hand: 'left' })
    one.presence.send('wave', 2)
    await until(() => heard.length === 2, 'both')
    expect(heard).toEqual([
      ['wave', { hand: 'left' }, 'ann'],
      ['wave', 2, 'ann'],
    ])
    expect(own).toEqual([])
    expect(() => one.presence.send('wave', 'x'.repeat(5000))).toThrow('at most 4096 bytes')
  })

  test('a gesture is seen while it lasts, and written once', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2), one.synced, two.synced])
    one.entities.create({ transform: { pos: [0, 0, 0] } }, { id: 'box' })
    await until(() => two.entities.has('box'), 'the box')
    const changes: Change<Record<string, unknown>>[] = []
    two.entities.on('change', (change) => changes.push(change))
    let updates = 0
    two.doc.on('update', () => updates++)
    const gesture = one.gesture('drag')
    for (let i = 1; i <= 30; i++) {
      gesture.set('box', 'transform', { pos: [i, 0, 0] })
      expect(one.entities.get('box')!.live('transform')).toEqual({ pos: [i, 0, 0] })
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const box = two.entities.get('box')!
    await until(() => (box.live('transform') as { pos: number[] }).pos[0] === 30, 'the preview')
    expect(box.get('transform')).toEqual({ pos: [0, 0, 0] })
    expect(updates).toBe(0)
    expect(changes.length).toBeGreaterThan(2)
    expect(changes.length).toBeLessThan(20)
    for (const { source, by } of changes) expect([source, by]).toEqual(['preview', 'ann'])
    const before = changes.length
    gesture.commit()
    gesture.set('box', 'transform', { pos: [99, 0, 0] }) // over
    await until(() => (box.get('transform') as { pos: number[] }).pos[0] === 30, 'the value')
    await one.saved({ timeout: 5000 })
    expect(updates).toBe(1)
    expect(changes.slice(before).map(({ source }) => source)).toEqual(['remote'])
    one.history.undo()
    expect(one.entities.get('box')!.get('transform')).toEqual({ pos: [0, 0, 0] })
  })

  test('a gesture that is cancelled, or whose member vanishes, is withdrawn', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2), one.synced, two.synced])
    one.entities.create({ transform: 1 }, { id: 'box' })
    await until(() => two.entities.has('box'), 'the box')
    const box = two.entities.get('box')!
    for (const end of [(gesture: { cancel(): void }) => gesture.cancel(), () => one.disconnect()]) {
      const gesture = one.gesture()
      gesture.set('box', 'transform', 2)
      await until(() => box.live('transform') === 2, 'shown')
      end(gesture)
      await until(() => box.live('transform') === 1, 'withdrawn', 2000)
    }
  })

  test('a stroke is seen while it is drawn, then replaced by the one in the document', async () => {
    const name = freshName()
    const [one, two] = [open(server.url, name, ann), open(server.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2), one.synced, two.synced])
    const [mine, theirs] = [one.board(), two.board()]
    const idle: string[] = []
    const live: Stroke[] = []
    theirs.on('idle', (id) => idle.push(id))
    theirs.on('live', (stroke) => live.push(stroke))
    const pen = mine.begin({ color: '#ff0000', size: 4, tool: 'marker' })
    for (let i = 0; i < 150; i++) {
      pen.append(i, i / 2, 0.5)
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await until(() => theirs.live.get(pen.id)?.points.length === 150, 'all points')
    const stroke = theirs.live.get(pen.id)!
    expect(stroke).toMatchObject({ id: pen.id, by: 'ann', color: '#ff0000', size: 4, tool: 'marker' })
    stroke.points.forEach(([x, y], i) => expect([x, y]).toEqual([i, i / 2]))
    expect(live.every((one) => one === stroke)).toBe(true)
    expect(theirs.strokes).toEqual([])
    pen.end()
    await until(() => theirs.strokes.length === 1, 'the stroke')
    expect(theirs.live.size).toBe(0)
    expect(idle).toEqual([pen.id])
    // What is late does not bring it back.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(theirs.live.size).toBe(0)

    const other = mine.begin({ color: '#00ff00', size: 1 })
    other.append(1, 1)
    await until(() => theirs.live.has(other.id), 'another')
    other.cancel()
    await until(() => !theirs.live.has(other.id), 'cancelled')
    expect(theirs.strokes).toHaveLength(1)
  })

  test('a duplicated tab takes the place, and the old one comes back as somebody new', async () => {
    stubStorage()
    const name = freshName()
    const first = open(server.url, name, ann)
    await present(first, 1)
    const id = first.presence.me!.id
    const second = open(server.url, name, ann)
    await until(() => second.presence.me?.id === id, 'it took the place')
    await Promise.all([present(first, 2), present(second, 2)])
    await until(() => first.presence.me!.id !== id, 'somebody new')
    expect(first.presence.members.get(id)!.me).toBe(false)
    expect(second.presence.me!.id).toBe(id)
  })

  test('who is removed is told why and does not come back by itself', async () => {
    const token = 'an admin token of more than 32 bytes'.replaceAll(' ', '-')
    vi.stubEnv('THEXR_ADMIN_TOKEN', token)
    onTestFinished(() => void vi.unstubAllEnvs())
    const own = await startServer()
    onTestFinished(own.close)
    const name = freshName()
    const [one, two] = [open(own.url, name, ann), open(own.url, name, bob)]
    await Promise.all([present(one, 2), present(two, 2)])
    const errors: ThexrError[] = []
    two.on('error', (error) => errors.push(error))
    const told = listen(one)
    const url = `${own.url}/api/v1/admin/spaces/${name}/members/${two.presence.me!.id}`
    const { status } = await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    expect(status).toBe(200)
    await until(() => errors.length > 0 && told.includes('leave Bob last'), 'removed')
    expect(errors[0]).toMatchObject({ code: 'DENIED', closeCode: 4411 })
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(one.presence.members.size).toBe(1)
    expect([...two.presence.members.values()].every(({ away }) => away)).toBe(true)
  })

  test('a deleted space closes, also for who has no token and comes later', async () => {
    const name = freshName()
    const one = open(server.url, name, ann)
    await Promise.all([one.synced, present(one, 1)])
    const deleted = await fetch(`${server.url}/api/v1/spaces/${name}`, { method: 'DELETE' })
    expect(deleted.status).toBe(204)
    await until(() => one.status.state === 'closed', 'closed')
    expect(one.status).toMatchObject({ error: { code: 'NOT_FOUND', closeCode: 4404 } })
    const late = open(server.url, name, bob)
    const errors: ThexrError[] = []
    late.on('error', (error) => errors.push(error))
    await expect(late.synced).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(late.status.state).toBe('closed')
    expect(errors.map(({ code }) => code)).toEqual(['NOT_FOUND'])
  })

  test('switched off, there is nobody, and everything can be called', async () => {
    const name = freshName()
    const one = open(server.url, name, ann)
    const quiet = open(server.url, name, bob, { presence: false })
    await Promise.all([present(one, 1), quiet.synced])
    quiet.presence.set({ hat: 'red' })
    quiet.presence.setPose({ head: joint(0, 1.6, 0) })
    quiet.presence.send('wave', 1)
    expect(quiet.presence.me).toBeNull()
    expect(quiet.presence.members.size + quiet.presence.users().size).toBe(0)
    expect(one.presence.members.size).toBe(1)
    quiet.entities.create({ name: 'a' }, { id: 'box' })
    const gesture = quiet.gesture()
    gesture.set('box', 'name', 'b')
    expect(quiet.entities.get('box')!.live('name')).toBe('b')
    gesture.commit()
    expect(quiet.entities.get('box')!.get('name')).toBe('b')
  })
})
