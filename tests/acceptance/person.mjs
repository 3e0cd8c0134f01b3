// Somebody in a session, in a process of its own, so that it can die like a tab does. Started by session.mjs with its
// settings as one argument of JSON; told to leave, it says what it has drawn and goes in order.
import { connect } from '@thexr/client'
import { readFileSync, writeFileSync } from 'node:fs'
import { inkOf, motionOf, poseOf } from './recordings.mjs'
import { WebSocket } from './support.mjs'

const { url, space, user, memory, inkFile, motionFile, inkCount, motionMs, turn, from, strokeMs, aheadMs } =
  JSON.parse(process.argv[2])

// What a tab keeps over a reload.
const kept = (() => {
  try {
    return JSON.parse(readFileSync(memory, 'utf8'))
  } catch {
    return {}
  }
})()
globalThis.sessionStorage = {
  getItem: (key) => kept[key] ?? null,
  setItem: (key, value) => {
    kept[key] = String(value)
    writeFileSync(memory, JSON.stringify(kept))
  },
  removeItem: (key) => {
    delete kept[key]
    writeFileSync(memory, JSON.stringify(kept))
  },
}

const me = connect(url, space, { WebSocket, offline: false, user: { id: user, name: user } })
const here = new Promise((resolve) => me.presence.on('sync', resolve))
await Promise.all([me.synced, here])
process.send({ here: true })

const motion = motionOf(motionFile, motionMs)
const started = performance.now()
let sample = 0
setInterval(() => {
  const now = (performance.now() - started + aheadMs) % motion.at(-1).t
  if (motion[sample].t > now) sample = 0
  while (sample < motion.length - 1 && motion[sample].t < now) sample++
  const pose = poseOf(motion[sample])
  // People stand beside each other.
  for (const part of Object.values(pose)) part.pos[0] += turn.index * 3
  me.presence.setPose(pose)
}, 11)

const ink = inkOf(inkFile, inkCount)
let next = from
let leaving = false
process.on('message', () => (leaving = true))
process.on('disconnect', () => process.exit(1)) // the story is over without us
while (!leaving) {
  if (next < ink.length) {
    const { color, width, points } = ink[next]
    const pen = me.board('board').begin({ color, size: width })
    for (const [x, y, pressure] of points) pen.append(x, y, pressure)
    pen.end()
    if (next % 5 === 0) me.entities.create({ name: `${user} ${next}` }, { id: `${user}-${next % 3}` })
    next += turn.of
    process.send({ next })
  }
  await new Promise((resolve) => setTimeout(resolve, strokeMs))
}
await me.saved({ timeout: 30_000 })
await me.destroy()
process.send({ left: true })
process.disconnect()
process.exit(0)
