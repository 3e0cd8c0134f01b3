// Four people draw and move, one reloads, two die, the server dies and comes back, one is thrown out, somebody looks in:
// and then all of it is played back, and every moment is what it was.
//
//     node session.mjs [INK [MOTION]]    INK: as ink.mjs takes it; MOTION: as motion.mjs takes it
//
// Without files it lasts ten seconds and plays things of our own making.
import { connect } from '@thexr/client'
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as Y from 'yjs'
import { inkOf, motionOf } from './recordings.mjs'
import { startThexr, WebSocket, when } from './support.mjs'

const [inkFile, motionFile] = process.argv.slice(2)
const [inkCount, motionMs] = [240, 10_000]
const ink = inkOf(inkFile, inkCount)
const lastsMs = motionOf(motionFile, motionMs).at(-1).t
const space = 'session'
const names = ['ana', 'ben', 'cleo', 'dan']
/** With recordings the samples are many; on a slow machine without them they still have to be some. */
const samplesMin = inkFile ? 200 : 40
const graceS = 2

/** The same text for the same content, whatever the order of keys. */
const canonical = (value) =>
  JSON.stringify(value, (_, part) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
const hash = (value) => createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)

/** A Yjs document as the server shows it. */
const plain = (value) =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString('base64')
    : Array.isArray(value)
      ? value.map(plain)
      : value && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
        : value
const jsonOf = (doc) => {
  const entities = {}
  for (const [id, map] of doc.getMap('entities'))
    if (map instanceof Y.Map) entities[id] = plain(Object.fromEntries(map.entries()))
  const strokes = {}
  for (const name of doc.share.keys()) {
    if (!name.startsWith('strokes:')) continue
    const board = doc.getArray(name).toArray().map(plain)
    if (board.length > 0) strokes[name.slice('strokes:'.length)] = board
  }
  return { entities, strokes }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A person as a process. */
function person(server, folder, user, index) {
  let child = null
  let from = index
  const start = async () => {
    const settings = {
      url: server.url,
      space,
      user,
      memory: join(folder, user),
      inkFile,
      motionFile,
      inkCount,
      motionMs,
      turn: { index, of: names.length },
      from,
      // Everybody is done when the motion is.
      strokeMs: Math.max(5, (lastsMs * 0.8 * names.length) / ink.length),
      aheadMs: index * 700,
    }
    child = fork(new URL('person.mjs', import.meta.url), [JSON.stringify(settings)])
    child.on('message', (said) => {
      if (said.next) from = said.next
    })
    await new Promise((resolve, reject) => {
      child.on('message', (said) => said.here && resolve())
      child.once('exit', (code) => reject(new Error(`${user} ended with ${code}`)))
    })
  }
  const ended = () => new Promise((resolve) => child.once('exit', resolve))
  return {
    start,
    die: async () => {
      const end = ended()
      child.kill('SIGKILL')
      await end
    },
    leave: async () => {
      const end = ended()
      child.send('leave')
      assert.equal(await end, 0, `${user} leaves in order`)
    },
    stop: () => child?.kill('SIGKILL'),
  }
}

test(`a session of ${(lastsMs / 1000).toFixed(0)} s is played back as it was`, async (t) => {
  const server = await startThexr(
    '--grace',
    `${graceS}s`,
    '--compact-updates',
    '150',
    '--compact-min-gap',
    '1s',
  )
  const folder = mkdtempSync(join(tmpdir(), 'thexr-session-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  t.after(() => server.stop())
  const at = `/spaces/${space}`
  await server.api('POST', '/spaces', { id: space })

  // What the space held and when, as somebody saw it who asked all the time.
  const truth = new Map()
  let asking = true
  const asker = (async () => {
    while (asking) {
      try {
        const response = await fetch(`${server.url}/api/v1${at}/document`)
        const seq = Number(/-(\d+)"$/.exec(response.headers.get('etag') ?? '')?.[1])
        const document = await response.json()
        if (response.ok) truth.set(seq, hash(document))
      } catch {
        // The server is down just now.
      }
      await sleep(20)
    }
  })()

  const [ana, ben, cleo, dan] = names.map((name, index) => person(server, folder, name, index))
  t.after(() => [ana, ben, cleo, dan].forEach(({ stop }) => stop()))
  const told = async (kind, user, count) => {
    for (;;) {
      const { items } = await server.api('GET', `${at}/journal?kind=${kind}&user=${user}&limit=500`)
      if (items.length >= count) return
      await sleep(30)
    }
  }
  const part = lastsMs / 10
  for (const [n, each] of [ana, ben, cleo, dan].entries()) {
    await each.start()
    await told('joined', names[n], 1)
  }
  await sleep(part)
  await ben.die() // and is back at once, as after a reload
  await told('suspended', 'ben', 1)
  await ben.start()
  await told('resumed', 'ben', 1)
  await sleep(part)
  await cleo.die()
  await told('left', 'cleo', 1)
  await sleep(part)
  await server.kill()
  await server.restart()
  for (const name of ['ana', 'ben', 'dan']) await told('resumed', name, name === 'ben' ? 2 : 1)
  const eve = person(server, folder, 'eve', 4)
  await eve.start()
  await told('joined', 'eve', 1)
  await sleep(part)
  await eve.leave()
  await told('left', 'eve', 1)
  await dan.die()
  await told('left', 'dan', 1)
  await sleep(part * 2)
  const members = await server.api('GET', `${at}/members`)
  await server
    .admin('DELETE', `${at}/members/${members.items.find(({ user }) => user === 'ben').member}`)
    .catch((error) => assert.fail(error))
  await told('left', 'ben', 1)
  ben.stop()
  await sleep(part)
  await ana.leave()
  await told('left', 'ana', 1)
  asking = false
  await asker

  // Who came, who left, and why.
  const journal = []
  for (let after = '0'; after !== null;) {
    const page = await server.api('GET', `${at}/journal?after=${after}&limit=500`)
    journal.push(...page.items)
    after = page.next
  }
  const script = {
    ana: ['joined', 'suspended', 'resumed', 'left bye'],
    ben: ['joined', 'suspended', 'resumed', 'suspended', 'resumed', 'left kicked'],
    cleo: ['joined', 'suspended', 'left grace'],
    dan: ['joined', 'suspended', 'resumed', 'suspended', 'left grace'],
    eve: ['joined', 'left bye'],
  }
  const fates = (items) => {
    const found = {}
    for (const { kind, user, reason } of items)
      if (['joined', 'suspended', 'resumed', 'left'].includes(kind))
        (found[user] ??= []).push(reason ? `${kind} ${reason}` : kind)
    return found
  }
  assert.deepEqual(fates(journal), script)
  const attendance = await server.api('GET', `${at}/attendance`)
  assert.deepEqual(
    attendance.items.map(({ user, reconnects, reason }) => [user, reconnects, reason]),
    [
      ['ana', 1, 'bye'],
      ['ben', 2, 'kicked'],
      ['cleo', 0, 'grace'],
      ['dan', 1, 'grace'],
      ['eve', 0, 'bye'],
    ],
  )

  // Every moment that somebody saw is still what was seen.
  const seen = [...truth].sort(([a], [b]) => a - b)
  assert.ok(seen.length >= samplesMin, `${seen.length} moments were seen`)
  let [slowestMs, sumMs] = [0, 0]
  for (const [seq, expected] of seen) {
    const from = performance.now()
    const document = await server.api('GET', `${at}/document?seq=${seq}`)
    const took = performance.now() - from
    slowestMs = Math.max(slowestMs, took)
    sumMs += took
    assert.equal(hash(document), expected, `after event ${seq}`)
  }
  const present = await server.api('GET', `${at}/document`)

  await playBack(t, server, { journal, truth, present })
  const edits = journal.filter(({ kind }) => kind === 'edit').length
  t.diagnostic(
    `${journal.length} events, ${edits} edits, ${seen.length} moments seen live and found again, ` +
      `each in ${(sumMs / seen.length).toFixed(1)} ms, at most ${slowestMs.toFixed(1)} ms`,
  )
})

/** All of it through the replay of the client: the same people for the same reasons, the same document at every stop. */
async function playBack(t, server, { journal, truth, present }) {
  const viewer = connect(server.url, space, { WebSocket, offline: false, presence: false, user: 'viewer' })
  t.after(() => viewer.destroy({ flush: 0 }))
  await viewer.synced
  const replay = await viewer.replay({ from: 0, speed: 4, paused: true })
  t.after(() => replay.destroy())
  await replay.ready

  // Seeking and stepping: a stop at every moment that was seen live.
  for (const [seq, expected] of truth) {
    await replay.seek(seq)
    assert.equal(replay.seq, seq)
    assert.equal(hash(jsonOf(replay.doc)), expected, `the replay at event ${seq}`)
  }

  // And in one go, from the beginning to the end.
  await replay.seek(0)
  const heard = []
  replay.presence.on('join', ({ userId }) => heard.push(`join ${userId}`))
  replay.presence.on('leave', ({ userId }, { reason }) => heard.push(`leave ${userId} ${reason}`))
  let poses = 0
  let stops = 0
  replay.on('position', () => {
    const expected = truth.get(replay.seq)
    if (expected === undefined) return
    stops++
    assert.equal(hash(jsonOf(replay.doc)), expected, `in passing, at event ${replay.seq}`)
  })
  const looking = setInterval(() => {
    for (const { id } of replay.presence.members.values()) if (replay.presence.pose(id)) poses++
  }, 20)
  t.after(() => clearInterval(looking))
  replay.play()
  await when(
    'the end of the replay',
    (again) => replay.on('state', again),
    () => replay.state.state === 'ended',
  )
  assert.deepEqual(jsonOf(replay.doc), present, 'the end is the present')
  const came = journal.filter(({ kind }) => kind === 'joined').map(({ user }) => `join ${user}`)
  const went = journal
    .filter(({ kind }) => kind === 'left')
    .map(({ user, reason }) => `leave ${user} ${reason}`)
  assert.deepEqual(
    heard.filter((line) => line.startsWith('join')),
    came,
  )
  assert.deepEqual(
    heard.filter((line) => line.startsWith('leave')),
    went,
  )
  assert.ok(poses > 0, 'people were somewhere')
  t.diagnostic(`replayed: ${stops} moments compared in passing, ${poses} poses`)
}
