// space.replay(): plays what happened in a space, from any point, on a socket of its own. Loaded on demand, so nothing
// that the present needs may import it.
import { createConnection } from './connection.js'
import type { ConnectionOptions, Link } from './connection.js'
import type { createEmitter, untilAborted } from './emitter.js'
import { ThexrError } from './errors.js'
import type { PoseFrame } from './pose-wire.js'
import { readPresence } from './presence-wire.js'
import type { Down, Entry } from './presence-wire.js'
import { createReplayPoses } from './replay-poses.js'
import { createStage } from './replay-stage.js'
import type { Parts, Stage } from './replay-stage.js'
import {
  pauseFrame,
  playFrame,
  pointOf,
  readTold,
  seekFrame,
  SPEED_MAX,
  SPEED_MIN,
  speedFrame,
} from './replay-wire.js'
import { stepFrame, STEPS_MAX, SUBPROTOCOL } from './replay-wire.js'
import type { Position } from './replay-wire.js'
import { createRoster } from './roster.js'
import type { Replay, ReplayEvents, ReplayOptions, ReplayState } from './replay-types.js'
import type { On, PresenceEvents, SpaceEvents } from './types.js'
import { PRESENCE, readFrame, REPLAY } from './wire.js'

/** The server tells where it is four times a second while it plays. */
const IDLE_MS = 5000
const ANSWER_MS = 5000
/** How much of the difference to where the server is we make up at each of its messages, so that nobody jerks. */
const CATCH_UP = 0.2
/** Farther off than this, in seconds that pass here, it is no jitter. */
const JITTER_S_MAX = 0.5
/** What the server says when we do not take what it sends. */
const SLOW_CONSUMER = 4508
/** Closed so this often with nothing shown between, it would never be. */
const SLOW_MAX = 5

type State = Record<string, unknown>
type AnyReplay = Replay<State, State>

export interface ReplayContext extends Pick<ConnectionOptions, 'space' | 'token' | 'WebSocket' | 'log'> {
  url: string
  /** Of the space: without it there is no replay. */
  on: On<Pick<SpaceEvents, 'status'>>
  parts: Parts & { createEmitter: typeof createEmitter; untilAborted: typeof untilAborted }
}

/** What the server has not answered yet; another connection is told again. */
type Order = { id: number; to: number | Date } | { id: number; events: number }

interface Waiter {
  resolve(): void
  reject(error: ThexrError): void
}

const checkSpeed = (speed: number): number => {
  if (typeof speed === 'number' && speed >= SPEED_MIN && speed <= SPEED_MAX) return speed
  throw new ThexrError('INVALID', `the speed of a replay is ${SPEED_MIN} to ${SPEED_MAX}`)
}

const checkTarget = (to: number | Date): number | Date => {
  if (Number.isFinite(Number(to)) && (typeof to === 'number' || to instanceof Date)) return to
  throw new ThexrError('INVALID', 'a replay goes to the number of an event or to a Date')
}

const clamp = (events: number) => Math.max(-STEPS_MAX, Math.min(STEPS_MAX, events))

export const createReplay = (o: ReplayContext, options: ReplayOptions): AnyReplay => {
  const { createEmitter, untilAborted } = o.parts
  const emitter = createEmitter<ReplayEvents>()
  const people = createEmitter<PresenceEvents<State>>()
  const poses = createReplayPoses()
  const handles = new Map<string, number>()
  const waiters = new Map<number, Waiter>()
  // What a new socket is to begin with, and what the one there is was told in its URL.
  const wanted = {
    from: checkTarget(options.from ?? 0),
    speed: checkSpeed(options.speed ?? 1),
    paused: options.paused ?? false,
  }
  let told = { speed: 0, paused: false, id: 0 }
  // A seek, or none, and steps behind it: as the server does, what comes before a seek is forgotten.
  let orders: Order[] = []
  let stage = createStage(o.parts)
  let coming: Stage | null = null // between a reset and the position that ends it
  let link: Link | null = null
  let fresh = true // this socket has not told where it is
  let ended = false // and not told to play since: a seek from there waits
  let slow = 0 // times that we were closed for it since something was shown
  let serial = 0
  let position: Position | null = null
  let anchor = { at: 0, now: 0 }
  let state: ReplayState = { state: 'connecting', attempt: 1 }
  let place: PoseFrame & { tick0: number; tickMs: number } = {
    origin: [0, 0, 0],
    scale: 1,
    tick0: 0,
    tickMs: 1,
  }

  const wait = (id: number) => {
    const promise = new Promise<void>((resolve, reject) => waiters.set(id, { resolve, reject }))
    promise.catch(() => {}) // nobody has to wait for it
    return promise
  }
  const ready = wait(0)

  const enter = (next: ReplayState) => {
    if (next.state === state.state && next.state !== 'connecting') return
    state = next
    emitter.emit('state', next)
  }

  /** The moment of the recording. */
  const moment = (now = performance.now()): number => {
    const on = position && state.state === 'playing' ? (now - anchor.now) * position.speed : 0
    return Math.min(anchor.at + on, Math.max(anchor.at, position?.end ?? 0))
  }

  // --- in

  const roster = createRoster({
    join: (member, info) => people.emit('join', member, info),
    leave: (member, info) => {
      poses.forget(handles.get(member.id) ?? -1)
      handles.delete(member.id)
      people.emit('leave', member, info)
    },
    update: (member) => people.emit('update', member),
  })

  const know = ({ member, handle }: Entry) => handles.set(member, handle)

  const hear = (down: Down) => {
    switch (down.kind) {
      case 'welcome':
        place = { origin: down.origin, scale: 2 ** down.unitShift, tick0: down.tick0, tickMs: down.tickMs }
        poses.clear()
        return roster.welcome('')
      case 'roster':
        down.entries.forEach(know)
        if (roster.list(down.entries, down.more)) people.emit('sync')
        return
      case 'events':
        for (const event of down.events) {
          if (event.kind === 'joined') know(event.entry)
          roster.event(event)
        }
        return
      case 'tick': {
        const at = place.tick0 + down.tick * place.tickMs
        // Before their time, and so perhaps of somebody who has yet to join.
        for (const { handle, ageMs, pose } of down.records) poses.record(handle, at - ageMs, pose)
      }
    }
  }

  const arrived = (next: Position) => {
    const now = performance.now()
    const expected = moment(now)
    const off = next.at - expected
    const same = !coming && !fresh && next.id === position?.id && next.speed === position.speed
    const smooth = same && state.state === next.state && Math.abs(off) < JITTER_S_MAX * 1000 * next.speed
    anchor = { at: smooth && next.state === 'playing' ? expected + off * CATCH_UP : next.at, now }
    position = next
    ended = next.state === 'ended'
    slow = 0
    if (coming) {
      const old = stage
      stage = coming
      coming = null
      emitter.emit('reset')
      old.destroy()
    }
    enter({ state: next.state })
    const done = Math.max(next.id, told.id)
    orders = orders.filter(({ id }) => id > done)
    for (const [id, waiter] of waiters) {
      if (id > done) continue
      waiters.delete(id)
      waiter.resolve()
    }
    fresh = false
    emitter.emit('position')
  }

  const receive = (frame: Uint8Array) => {
    switch (frame[0]) {
      case PRESENCE:
        for (const down of readPresence(frame, () => place)) hear(down)
        return
      case REPLAY: {
        const message = readTold(frame)
        if (message.kind === 'position') arrived(message)
        if (message.kind === 'reset') {
          coming?.destroy()
          coming = createStage(o.parts)
        }
        return
      }
      default:
        for (const message of readFrame(frame))
          if (message.kind === 'step2' || message.kind === 'update') (coming ?? stage).apply(message.update)
    }
  }

  // --- out

  const close = (error: ThexrError | null) => {
    enter({ state: 'closed', error })
    const reason = error ?? new ThexrError('NETWORK', 'the replay was destroyed')
    for (const waiter of waiters.values()) waiter.reject(reason)
    waiters.clear()
  }

  const connection = createConnection({
    space: o.space,
    token: o.token,
    WebSocket: o.WebSocket,
    log: (level, msg, data) => o.log(level, `replay: ${msg}`, data),
    idleMs: IDLE_MS,
    answerMs: ANSWER_MS,
    target: (token) => {
      const { speed, paused } = wanted
      const [first] = orders
      const [from, id] = first && 'to' in first ? [first.to, first.id] : [wanted.from, 0]
      told = { speed, paused, id }
      const query = new URLSearchParams({ speed: String(speed) })
      query.set(typeof from === 'number' ? 'from' : 'at', String(pointOf(from)))
      if (paused) query.set('paused', '1')
      const protocols = [SUBPROTOCOL, ...(token === null ? [] : [`thexr.auth.${token}`])]
      return { url: `${o.url}?${query}`, protocols }
    },
    openSession: (via) => {
      link = via
      fresh = true
      // What was wanted while it was being dialled.
      if (wanted.speed !== told.speed) via.send(speedFrame(wanted.speed))
      let [last, sum] = [0, 0]
      for (const order of orders) {
        if (order.id <= told.id) continue
        if ('to' in order) via.send(seekFrame(order.id, order.to))
        else [last, sum] = [order.id, clamp(sum + order.events)]
      }
      if (last) via.send(stepFrame(last, sum))
      if (last || wanted.paused !== told.paused) via.send(wanted.paused ? pauseFrame() : playFrame())
      return {
        // What comes behind a reset is one long message.
        get synced() {
          return !fresh && !coming
        },
        receive,
        probe: () => via.send(speedFrame(wanted.speed)),
        close: () => {
          link = null
          // A paused replay is at an event, one that plays at a time: several events may have the same.
          if (position) wanted.from = wanted.paused ? position.seq : new Date(moment())
          anchor = { at: moment(), now: performance.now() }
        },
      }
    },
    onStatus: (status) => {
      if (status.state === 'connecting') enter({ state: 'connecting', attempt: status.attempt })
      if (status.state === 'offline') {
        enter({ state: 'connecting', attempt: 0 })
        if (status.error?.closeCode === SLOW_CONSUMER && ++slow >= SLOW_MAX) {
          const help = 'Ask for another replay.' // this one tries no more
          connection.refuse(
            new ThexrError('NETWORK', status.error.message, { help, closeCode: SLOW_CONSUMER }),
          )
        }
      }
      if (status.state === 'closed') close(status.error ?? null)
    },
    onError: (error) => emitter.emit('error', error),
  })

  const order = (order: Order): Promise<void> => {
    const done = wait(order.id)
    if (state.state === 'closed') close(state.error)
    else orders = 'to' in order ? [order] : [...orders, order]
    link?.send('to' in order ? seekFrame(order.id, order.to) : stepFrame(order.id, order.events))
    return done
  }

  let forget = () => {}
  let unlink = () => {}
  let gone = false

  const replay: AnyReplay = {
    ready,
    get doc() {
      return stage.doc
    },
    get entities() {
      return stage.entities as unknown as AnyReplay['entities']
    },
    board: (name = 'board') => stage.board(name),
    presence: {
      get members() {
        return roster.members
      },
      users: roster.users,
      pose: (id, now) => {
        const handle = handles.get(id)
        return handle === undefined ? null : poses.pose(handle, moment(now))
      },
      on: people.on as AnyReplay['presence']['on'],
    },
    get seq() {
      return position?.seq ?? 0
    },
    get time() {
      return new Date(moment())
    },
    get range() {
      const { oldest = 0, newest = 0, start = 0, end = 0 } = position ?? {}
      return { oldest, newest, start: new Date(start), end: new Date(end) }
    },
    get state() {
      return state
    },
    get speed() {
      return wanted.speed
    },
    set speed(speed) {
      wanted.speed = checkSpeed(speed)
      link?.send(speedFrame(speed))
    },
    play: () => {
      ended = wanted.paused = false
      link?.send(playFrame())
    },
    pause: () => {
      wanted.paused = true
      link?.send(pauseFrame())
    },
    seek: (to) => {
      checkTarget(to)
      wanted.paused ||= ended
      const done = order({ to, id: ++serial })
      // It may have come to the end without our knowing.
      if (!wanted.paused) link?.send(playFrame())
      return done
    },
    step: (events) => {
      if (!Number.isInteger(events) || Math.abs(events) > STEPS_MAX)
        throw new ThexrError('INVALID', `a replay steps by up to ${STEPS_MAX} whole events`)
      wanted.paused = true
      return order({ events, id: ++serial })
    },
    on: emitter.on,
    destroy: () => {
      if (gone) return
      gone = true
      forget()
      unlink()
      connection.destroy()
      coming?.destroy()
      stage.destroy()
      emitter.clear()
      people.clear()
    },
  }
  connection.start()
  unlink = o.on('status', (status) => {
    if (status.state === 'closed' && !status.error) replay.destroy()
  })
  forget = untilAborted(() => replay.destroy(), options.signal)
  return replay
}
