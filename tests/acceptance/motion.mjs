// A recording of a head and two hands goes through client, server and client: what arrives is what was recorded, within
// half a millimetre, a millimetre and a quarter for hands, and a quarter of a degree.
//
//     node motion.mjs [FILE]    FILE: gzipped JSON lines {"t": ms, "head": [x, y, z, qx, qy, qz, qw], "left", "right"}
//
// Without a file somebody of our own making walks, looks around and waves for three seconds.
import { connect } from '@thexr/client'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { motionOf, poseOf } from './recordings.mjs'
import { startThexr, WebSocket, when } from './support.mjs'

const file = process.argv[2]
const recording = motionOf(file, 3000)
/** Each begins a little later in the recording, so that together they send most of its samples. */
const players = 5

const off = (a, b) => Math.max(...a.pos.map((value, axis) => Math.abs(value - b.pos[axis]))) * 1000
const turned = (a, b) => {
  const size = Math.hypot(...a.rot)
  const dot = Math.abs(a.rot.reduce((sum, value, n) => sum + (value / size) * b.rot[n], 0))
  return (2 * Math.acos(Math.min(1, dot)) * 180) / Math.PI
}
const errorOf = (sent, got) => ({
  head: off(sent.head, got.head),
  hand: Math.max(off(sent.left, got.left), off(sent.right, got.right)),
  turn: Math.max(...['head', 'left', 'right'].map((part) => turned(sent[part], got[part]))),
})
const worse = (a, b) => ({
  head: Math.max(a.head, b.head),
  hand: Math.max(a.hand, b.hand),
  turn: Math.max(a.turn, b.turn),
})
/** Relative to what is allowed. */
const size = ({ head, hand, turn }) => Math.max(head / 0.5, hand / 1.25, turn / 0.25)

const open = (server, user) =>
  connect(server.url, 'stage', { WebSocket, offline: false, user, presence: { hz: 40 } })

test(`${recording.length} samples of motion arrive as they were recorded`, async (t) => {
  const server = await startThexr()
  t.after(() => server.stop())
  const watcher = open(server, 'watcher')
  const movers = Array.from({ length: players }, (_, n) => open(server, `mover-${n}`))
  const everybody = [watcher, ...movers]
  t.after(() => Promise.all(everybody.map((person) => person.destroy({ flush: 0 }))))
  await when(
    'everybody is here',
    (again) => watcher.presence.on('join', again),
    () => watcher.presence.members.size === players + 1,
  )

  let worst = { head: 0, hand: 0, turn: 0 }
  let arrived = 0
  watcher.presence.on('pose', (member, got) => {
    if (member.me || !got.left || !got.right) return
    arrived++
    // Which sample it is nobody says: the one it is nearest to. The recording repeats none.
    const best = recording
      .filter((sample) => Math.abs(sample.head[0] - got.head.pos[0]) < 0.002)
      .map((sample) => errorOf(poseOf(sample), got))
      .reduce((a, b) => (size(a) <= size(b) ? a : b), { head: Infinity, hand: Infinity, turn: Infinity })
    worst = worse(worst, best)
  })

  const lastMs = recording[recording.length - 1].t
  await Promise.all(
    movers.map(
      (mover, n) =>
        new Promise((resolve) => {
          const started = performance.now() - n * 7
          const step = () => {
            const now = performance.now() - started
            const at = recording.findIndex((sample) => sample.t >= now)
            if (at < 0 || now > lastMs) return resolve()
            mover.presence.setPose(poseOf(recording[at]))
            setTimeout(step, 8)
          }
          step()
        }),
    ),
  )
  const due = Math.floor((lastMs / 50) * players * 0.5)
  await when(
    `${due} poses have arrived`,
    (again) => watcher.presence.on('pose', again),
    () => arrived >= due,
  )
  t.diagnostic(
    `${arrived} poses arrived; at worst head ${worst.head.toFixed(3)} mm, hands ${worst.hand.toFixed(3)} mm, ` +
      `turn ${worst.turn.toFixed(3)} degrees`,
  )
  // A little more than half a step each: the arithmetic is that of 32 bits.
  assert.ok(worst.head <= 0.501, `head ${worst.head} mm`)
  assert.ok(worst.hand <= 1.251, `hands ${worst.hand} mm`)
  assert.ok(worst.turn <= 0.28, `turn ${worst.turn} degrees`)
})
