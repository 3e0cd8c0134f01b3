// The connected half of space.presence: its own socket, members, poses, and what is said. Loaded on demand, so
// nothing that the document needs may import it.
import { createClock } from './clock.js'
import { createConnection } from './connection.js'
import type { Link } from './connection.js'
import { createLiveInk, STROKE } from './live-ink.js'
import { createMotion } from './motion.js'
import type { Motion } from './motion.js'
import { createOutbox, OUTBOX_INTERVAL_MS } from './outbox.js'
import { packPose } from './pose-wire.js'
import type { PoseFrame } from './pose-wire.js'
import { APP } from './limits.js'
import type { LaneContext, PresenceChannel } from './presence.js'
import { openPresenceSession } from './presence-session.js'
import {
  byeFrame,
  bytesOf,
  helloFrame,
  poseFrame,
  sayFrame,
  stateFrame,
  SUBPROTOCOL,
  viewFrame,
} from './presence-wire.js'
import type { Down, Entry, Tick, Welcome } from './presence-wire.js'
import { createRoster } from './roster.js'
import { BACKLOG_BYTES, createUplink } from './uplink.js'

const HZ = 20
/** The server loses a connection after ten seconds of silence, and so do we. */
const IDLE_MS = 5000
const ANSWER_MS = 5000
const STATE_INTERVAL_MS = 100
const REPLACED = 4410
/** Of how many ticks one is sent, by how far our rate is reduced: 20, 10, 5 and 2 Hz. */
const EVERY = [1, 2, 4, 10] as const

/** What PresenceChannel says, once there is a server to say it to. */
export interface Lane extends Pick<
  PresenceChannel,
  'me' | 'members' | 'users' | 'pose' | 'say' | 'ink' | 'start' | 'stop' | 'redial' | 'destroy'
> {
  stateChanged(): void
  poseChanged(): void
  viewChanged(): void
}

/** The resume token of this tab, which a reload of the page finds again. */
const createKeep = (key: string) => {
  let token: string | null = null
  try {
    token = sessionStorage.getItem(key)
  } catch {
    // Node, or storage is forbidden: then a reload is a new member.
  }
  return {
    get: () => token,
    set: (next: string | null) => {
      const before = token
      token = next
      try {
        if (next !== null) sessionStorage.setItem(key, next)
        // Another connection of this page may have put its own there.
        else if (sessionStorage.getItem(key) === before) sessionStorage.removeItem(key)
      } catch {
        // As above.
      }
    },
  }
}

export const createLane = (o: LaneContext): Lane => {
  const { emitter, absent, hearers } = o
  const keep = createKeep(`thexr.resume:${o.url}`)
  const clock = createClock()
  const outbox = createOutbox()
  let welcome: Welcome | null = null
  let link: Link | null = null // between WELCOME and the end of the socket
  let motion: Motion | null = null
  let place: PoseFrame = { origin: [0, 0, 0], scale: 1 }
  let seq = 0
  const timers: Record<'pose' | 'say' | 'state', ReturnType<typeof setTimeout> | null> = {
    pose: null,
    say: null,
    state: null,
  }
  let stateWaits = false

  const clear = (name: keyof typeof timers) => {
    clearTimeout(timers[name] ?? undefined)
    timers[name] = null
  }

  const roster = createRoster({
    join: (member, info) => {
      // Alone we sent our pose rarely; now somebody wants to see it.
      clear('pose')
      armPose()
      emitter.emit('join', member, info)
    },
    leave: (member, info) => {
      motion?.forget(member.id)
      absent.emit('absent', member.id)
      emitter.emit('leave', member, info)
    },
    update: (member) => {
      if (member.away) absent.emit('absent', member.id)
      emitter.emit('update', member)
    },
  })
  const uplink = createUplink(o.hz ?? HZ, clock, () => roster.size < 2)

  // --- out

  const armPose = () => {
    const now = performance.now()
    const at = link && timers.pose === null ? uplink.next(now) : null
    if (at === null) return
    timers.pose = setTimeout(() => {
      timers.pose = null
      const taken = link && uplink.take(performance.now(), link.buffered)
      if (taken) link?.send(poseFrame(seq++ & 0xffff, Math.floor(taken.at) % 2 ** 32, taken.record))
      armPose()
    }, at - now)
  }

  const poseChanged = () => {
    const pose = o.ownPose()
    if (pose) uplink.set(packPose(pose, place), performance.now())
    armPose()
  }

  const viewChanged = () => {
    const view = o.ownView()
    if (!view || !welcome) return
    const { cellM } = welcome
    // The server counts cells in 16 bits.
    const cell = (metres: number, axis: 0 | 2) =>
      Math.max(-32_768, Math.min(32_767, Math.floor((metres - place.origin[axis]) / cellM)))
    const focus = view.focus && ([cell(view.focus[0], 0), cell(view.focus[1], 2)] as const)
    link?.send(viewFrame(view.zone ?? '', focus ?? null, Math.max(0, Math.ceil((view.budget ?? 0) / 1000))))
  }

  const drain = () => {
    if (!link || timers.say !== null) return
    // What cannot leave waits here, where newer replaces it.
    const taken = link.buffered > BACKLOG_BYTES ? [] : outbox.take(performance.now())
    for (const { topic, key, data } of taken) link.send(sayFrame(topic, key, data))
    timers.say = setTimeout(() => {
      timers.say = null
      if (outbox.size > 0) drain()
    }, OUTBOX_INTERVAL_MS)
  }

  const say: Lane['say'] = (topic, key, data) => {
    if (!link) return
    outbox.put(topic, key, data)
    drain()
  }

  const sendState = () => {
    stateWaits = timers.state !== null
    if (stateWaits || !link) return
    link.send(stateFrame(JSON.stringify(o.own())))
    timers.state = setTimeout(() => {
      timers.state = null
      if (stateWaits) sendState()
    }, STATE_INTERVAL_MS)
  }

  // --- in

  const welcomed = (to: Welcome, via: Link, now: number) => {
    if (!motion || welcome?.tickMs !== to.tickMs) motion = createMotion(to.tickMs, o.delayMs)
    welcome = to
    link = via
    place = { origin: to.origin, scale: 2 ** to.unitShift }
    keep.set(to.token)
    clock.guess(to.tick0 + to.tickNow * to.tickMs, now)
    uplink.reset(to)
    roster.welcome(to.member)
    viewChanged()
    poseChanged()
  }

  /** Of ourselves we know better than the server, which hears it later. */
  const known = (entry: Entry): Entry =>
    entry.member === welcome?.member ? { ...entry, state: JSON.stringify(o.own()) } : entry

  const ticked = (tick: Tick, now: number) => {
    if (!welcome || !motion) return
    const at = welcome.tick0 + tick.tick * welcome.tickMs
    motion.ticked(tick.tick, at, clock.at(now), tick.full, EVERY[tick.shed])
    for (const { handle, ageMs, pose } of tick.records) {
      const member = roster.of(handle)
      if (!member || member.me) continue
      motion.record(member.id, at - ageMs, pose)
      emitter.emit('pose', member, pose)
    }
    for (const { handle, joint } of tick.dots) {
      const member = roster.of(handle)
      if (member && !member.me) motion.dot(member.id, at, joint)
    }
  }

  const said = (handle: number, topic: string, key: string, data: Uint8Array) => {
    const from = roster.of(handle)
    if (!from || from.me) return
    if (topic === STROKE) return ink.hear(from, key, data)
    if (!topic.startsWith(APP)) return hearers.get(topic)?.(from, key, data)
    let message: unknown
    try {
      message = JSON.parse(new TextDecoder().decode(data))
    } catch {
      return // a stranger's nonsense
    }
    emitter.emit('message', topic.slice(APP.length), message, from)
  }

  const hear = (down: Down, via: Link, now: number) => {
    switch (down.kind) {
      case 'welcome':
        return welcomed(down, via, now)
      case 'roster':
        if (roster.list(down.entries.map(known), down.more)) emitter.emit('sync')
        return
      case 'events':
        for (const event of down.events) {
          if (event.kind === 'joined') roster.event({ ...event, entry: known(event.entry) })
          else if (event.kind !== 'state' || event.handle !== welcome?.handle) roster.event(event)
        }
        return
      case 'tick':
        return ticked(down, now)
      case 'said':
        for (const { handle, topic, key, data } of down.said) said(handle, topic, key, data)
    }
  }

  const lost = () => {
    link = null
    for (const name of ['pose', 'say', 'state'] as const) clear(name)
    stateWaits = false
    outbox.clear()
    uplink.reset(null)
    roster.lost()
  }

  const connection = createConnection({
    space: o.space,
    token: o.token,
    WebSocket: o.WebSocket,
    log: (level, msg, data) => o.log(level, `presence: ${msg}`, data),
    idleMs: IDLE_MS,
    answerMs: ANSWER_MS,
    target: (token) => {
      // Unlike /sync this is ours alone, so the subprotocol is offered with or without a token.
      if (token !== null) return { url: o.url, protocols: [SUBPROTOCOL, `thexr.auth.${token}`] }
      const query = new URLSearchParams({ user: o.user.id, name: o.user.name })
      return { url: `${o.url}?${query}`, protocols: [SUBPROTOCOL] }
    },
    openSession: (via) => {
      const token = keep.get()
      const hello = helloFrame({
        hz: Math.min(255, Math.ceil(o.hz ?? HZ)),
        budget: 0,
        yjsClient: o.yjsClient,
        token: token === null ? null : bytesOf(token),
        state: JSON.stringify(o.own()),
      })
      return openPresenceSession(via, hello, clock, {
        place: () => place,
        hear: (down, now) => hear(down, via, now),
        close: lost,
      })
    },
    comesBack: (code) => {
      // The tab was duplicated, and the other one has our place: take a new one.
      if (code === REPLACED) keep.set(null)
      return code === REPLACED
    },
    onStatus: () => {},
    onError: (error) => {
      if (error.closeCode === 4403 || error.closeCode === 4404) o.refuse(error)
      // The document's connection has the same token and says the same.
      else if (error.code !== 'TOKEN' && error.code !== 'INVALID') o.onError(error)
    },
  })

  const bye = () => {
    link?.send(byeFrame())
    keep.set(null)
  }

  const ink = createLiveInk({
    say,
    onAbsent: (fn) => absent.on('absent', fn),
  })

  return {
    get me() {
      return (welcome && roster.get(welcome.member)) ?? null
    },
    get members() {
      return roster.members
    },
    users: roster.users,
    stateChanged: () => {
      if (!welcome) return
      roster.setState(welcome.member, o.own())
      sendState()
    },
    poseChanged,
    viewChanged,
    pose: (id, now = performance.now()) =>
      id === welcome?.member ? o.ownPose() : (motion?.pose(id, clock.at(now)) ?? null),
    say,
    ink: ink.attach,
    start: connection.start,
    stop: () => {
      bye()
      connection.stop()
    },
    redial: connection.redial,
    destroy: () => {
      bye()
      ink.destroy()
      connection.destroy()
    },
  }
}
