// Four people draw on one board at once. One is offline for the middle third, the server is killed half-way and comes
// back, the log is compacted: nothing is lost, nothing is there twice, every copy is the same.
//
//     node ink.mjs [FILE]    FILE: gzipped JSON lines {"color", "width", "points": [[x, y, pressure], …]}
//
// Without a file it draws 200 strokes of its own making.
import { connect } from '@thexr/client'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { inkOf } from './recordings.mjs'
import { boardOf, boardOfDocument, boardOfPages, startThexr, updatesOf, WebSocket, when } from './support.mjs'

const board = 'board'
const space = 'ink'
const names = ['ana', 'ben', 'cleo', 'dan']
/** A hand makes a stroke a second; four of them that fast make the server work. */
const strokeMs = 4
const pressureSteps = 255
const stepsPerPx = 8

const file = process.argv[2]
const ink = inkOf(file, 200)

const open = (server, user) => connect(server.url, space, { WebSocket, offline: false, user })
const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(2)} s`

test(`${ink.length} strokes by four people survive an absence, a crash and a compaction`, async (t) => {
  const server = await startThexr()
  t.after(() => server.stop())
  const people = names.map((name) => open(server, name))
  t.after(() => Promise.all(people.map((person) => person.destroy({ flush: 0 }))))
  const absent = people[3]
  await Promise.all(people.map((person) => person.synced))

  // What happens when so many strokes were begun.
  let begun = 0
  let pendingAtKill = 0
  let outage = null
  let released = null
  const turns = [
    [1 / 3, () => absent.disconnect()],
    [
      1 / 2,
      () => {
        pendingAtKill = people.reduce((sum, person) => sum + person.pending, 0)
        outage = server.kill()
      },
    ],
    // From here on they draw while the server starts.
    [7 / 12, () => (released = outage.then(() => server.restart()))],
    [2 / 3, () => absent.connect()],
  ].map(([part, act]) => [Math.floor(part * ink.length), act])

  const drawn = new Map()
  const started = performance.now()
  await Promise.all(
    people.map(async (person, who) => {
      for (let n = who; n < ink.length; n += people.length) {
        while (turns[0]?.[0] <= begun) turns.shift()[1]()
        begun++
        const { color, width, points } = ink[n]
        const pen = person.board(board).begin({ color, size: width })
        for (const [x, y, pressure] of points) pen.append(x, y, pressure)
        drawn.set(pen.end().id, { n, by: names[who] })
        await new Promise((resolve) => setTimeout(resolve, strokeMs))
      }
    }),
  )
  assert.equal(turns.length, 0, 'everything happened')
  const drawMs = seconds(started)
  const ended = performance.now()
  await released
  // What the timer of a client would do some seconds later.
  for (const person of people) if (person.status.state === 'offline') person.reconnect()
  await Promise.all(people.map((person) => person.saved({ timeout: 60_000 })))
  const arrived =
    ({ doc }) =>
    () =>
      doc.getArray(`strokes:${board}`).length >= ink.length
  await Promise.all(
    people.map((person) => when('all strokes at everybody', updatesOf(person.doc), arrived(person))),
  )
  const settleMs = seconds(ended)

  // Nothing lost, nothing doubled, nothing changed.
  const truth = boardOf(people[0].doc, board)
  const ids = truth.map((each) => each.split(' ')[0])
  assert.equal(truth.length, ink.length, 'as many strokes as were drawn')
  assert.equal(new Set(ids).size, ink.length, 'each once')
  assert.deepEqual(
    [...drawn.keys()].filter((id) => !ids.includes(id)),
    [],
    'none is missing',
  )
  for (const stroke of people[1].board(board).strokes) {
    const { n, by } = drawn.get(stroke.id)
    const { color, width, points } = ink[n]
    assert.deepEqual([stroke.by, stroke.color, stroke.size], [by, color, width])
    assert.equal(stroke.points.length, points.length)
    for (const [i, [x, y, pressure]] of stroke.points.entries()) {
      assert.ok(
        Math.abs(x - points[i][0]) <= 0.5 / stepsPerPx && Math.abs(y - points[i][1]) <= 0.5 / stepsPerPx,
      )
      assert.ok(Math.abs(pressure - points[i][2]) <= 0.5 / pressureSteps + 1e-9)
    }
  }
  const everywhereTheSame = async (when) => {
    for (const [who, person] of people.entries())
      assert.deepEqual(boardOf(person.doc, board), truth, `${names[who]}, ${when}`)
    assert.deepEqual(
      await boardOfDocument(server, space, board),
      truth,
      `the document of the server, ${when}`,
    )
    assert.deepEqual(await boardOfPages(server, space, board), truth, `the strokes of the server, ${when}`)
  }
  await everywhereTheSame('after drawing')

  // Compacted while everybody is there.
  const { seq } = await server.admin('GET', `/spaces/${space}`)
  const compacting = performance.now()
  const compacted = await server.admin('POST', `/spaces/${space}/compact`)
  const compactMs = seconds(compacting)
  await everywhereTheSame('after the compaction')
  const joining = performance.now()
  const fresh = open(server, 'eve')
  t.after(() => fresh.destroy({ flush: 0 }))
  await fresh.synced
  const joinMs = seconds(joining)
  assert.deepEqual(boardOf(fresh.doc, board), truth, 'a newcomer')

  // From the disk alone.
  await server.kill()
  await server.restart()
  const download = await fetch(`${server.url}/api/v1/spaces/${space}/document`, {
    headers: { accept: 'application/octet-stream' },
  })
  const update = new Uint8Array(await download.arrayBuffer())
  const copy = new Y.Doc()
  Y.applyUpdate(copy, update)
  assert.deepEqual(boardOf(copy, board), truth, 'the document as an update, after a second crash')
  await everywhereTheSame('after a second crash')

  const points = ink.reduce((sum, stroke) => sum + stroke.points.length, 0)
  const say = (name, value) => console.log(`  ${name.padEnd(34)} ${value}`)
  say('strokes, points', `${ink.length}, ${points}`)
  say('drawing took', drawMs)
  say('unconfirmed when the server died', pendingAtKill)
  say('until all was saved and everywhere', settleMs)
  say('events', seq)
  say('log before', `${compacted.log_bytes_before} bytes in ${compacted.rows_before} rows`)
  say('log after', `${compacted.log_bytes_after} bytes in ${compacted.rows_after} rows`)
  say('snapshot', `${compacted.snapshot_bytes_after} bytes`)
  say('document as one update', `${update.length} bytes`)
  say('compaction', `${compactMs} (${compacted.duration_ms} ms in the server)`)
  say('a newcomer has the board after', joinMs)
})
