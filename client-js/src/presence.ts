// space.presence: who is here, where they are, what they say. Everything that needs a server is in the lane,
// which is loaded when it is to connect, so that the document never waits for it. Here is what works before
// and without it. Knows nothing of the document; what previews and strokes say is theirs.
import type { ConnectionOptions } from './connection.js'
import { createEmitter } from './emitter.js'
import type { Emitter } from './emitter.js'
import { ThexrError } from './errors.js'
import { cloneJson } from './json.js'
import { APP, KEY_BYTES_MAX, SAY_BYTES_MAX, STATE_BYTES_MAX, TOPIC_BYTES_MAX } from './limits.js'
import type { BoardInk, LiveBoard } from './live-ink.js'
import type { Lane } from './presence-lane.js'
import type { Joint, Member, Off, Pose, Presence, PresenceEvents, View } from './types.js'

export type State = Record<string, unknown>
export type AnyMember = Member<State>
export type Hear = (from: AnyMember, key: string, data: Uint8Array) => void

export interface PresenceContext extends Pick<ConnectionOptions, 'space' | 'token' | 'WebSocket' | 'log'> {
  /** Null when it is switched off. */
  url: string | null
  user: { id: string; name: string }
  yjsClient: number
  hz?: number
  delayMs?: number
  state?: State
  /** The space is not for us: that ends the document's connection too. */
  refuse(error: ThexrError): void
  onError(error: ThexrError): void
}

/** What the lane finds when it is loaded. */
export interface LaneContext extends PresenceContext {
  readonly url: string
  readonly emitter: Emitter<PresenceEvents<State>>
  readonly absent: Emitter<{ absent: (memberId: string) => void }>
  readonly hearers: ReadonlyMap<string, Hear>
  own(): State
  ownPose(): Pose | null
  ownView(): View | null
}

export interface PresenceChannel extends Presence<State> {
  /** Says something, now and then, if anybody can hear it. See Outbox. */
  say(topic: string, key: string, data: () => Uint8Array): void
  onSaid(topic: string, hear: Hear): void
  /** A member left, or cannot be seen any more. */
  onAbsent(fn: (memberId: string) => void): Off
  /** Shows the strokes of a board while they are drawn. */
  ink(board: LiveBoard): BoardInk
  start(): void
  /** Leaves: others are told at once. */
  stop(): void
  redial(): void
  destroy(): void
}

const utf8 = new TextEncoder()

const fits = (text: string, max = TOPIC_BYTES_MAX) => utf8.encode(text).length <= max

/** What cannot be packed is refused where it is said. */
const checkJoint = (joint: Joint) => {
  const { pos = [], rot = [] } = joint ?? {}
  const length = Math.hypot(...rot)
  // Squares beyond this have no place in an f32, and a quaternion below it no direction.
  if (pos.length === 3 && pos.every(Number.isFinite) && rot.length === 4 && length > 1e-6 && length < 1e18)
    return
  throw new ThexrError('INVALID', 'this is not a pose', {
    help: 'Positions must be finite, and a rotation a quaternion with a length.',
  })
}

const checkPose = ({ head, left, right }: Pose) => {
  checkJoint(head)
  if (left) checkJoint(left)
  if (right) checkJoint(right)
}

const checkState = (state: State): State => {
  const clone = cloneJson('member state', state) as State
  if (utf8.encode(JSON.stringify(clone)).length <= STATE_BYTES_MAX) return clone
  throw new ThexrError('TOO_LARGE', `the member state is more than ${STATE_BYTES_MAX} bytes`, {
    help: 'Keep what is large in the document.',
  })
}

export const createPresence = (o: PresenceContext): PresenceChannel => {
  const emitter = createEmitter<PresenceEvents<State>>()
  const absent = createEmitter<{ absent: (memberId: string) => void }>()
  const hearers = new Map<string, Hear>()
  const boards: { board: LiveBoard; ink: BoardInk | undefined }[] = []
  const nobody: ReadonlyMap<string, AnyMember> = new Map()
  let own = checkState(o.state ?? {})
  let ownPose: Pose | null = null
  let ownView: View | null = null
  let lane: Lane | null = null
  let loading = false
  let wanted = false
  let messages = 0

  const load = async (url: string) => {
    loading = true
    try {
      const { createLane } = await import('./presence-lane.js')
      if (!wanted) return
      const ours = { own: () => own, ownPose: () => ownPose, ownView: () => ownView }
      lane = createLane({ ...o, ...ours, url, emitter, absent, hearers })
      for (const slot of boards) slot.ink = lane.ink(slot.board)
      lane.start()
    } catch (cause) {
      // Tried again at the next connect() or reconnect().
      const help = 'Is the package deployed whole? Presence is a file of its own.'
      o.onError(new ThexrError('NETWORK', 'presence cannot be loaded', { retryable: true, help, cause }))
    } finally {
      loading = false
    }
  }

  const start = () => {
    wanted = true
    if (lane) lane.start()
    else if (o.url !== null && !loading) void load(o.url)
  }

  return {
    get me() {
      return lane?.me ?? null
    },
    get members() {
      return lane?.members ?? nobody
    },
    users: () => lane?.users() ?? new Map<string, readonly AnyMember[]>(),
    set: (patch) => {
      if (typeof patch !== 'object' || patch === null || Array.isArray(patch))
        throw new ThexrError('INVALID', 'a member state is an object')
      own = checkState({ ...own, ...patch })
      lane?.stateChanged()
    },
    setPose: (pose) => {
      checkPose(pose)
      ownPose = pose
      lane?.poseChanged()
    },
    view: (view) => {
      const numbers = [view.budget ?? 0, ...(view.focus ?? [])]
      if (!fits(view.zone ?? '') || !numbers.every(Number.isFinite))
        throw new ThexrError('INVALID', 'this is not a view')
      ownView = view
      lane?.viewChanged()
    },
    pose: (id, now) => lane?.pose(id, now) ?? null,
    send: (topic, data, key = `#${messages++}`) => {
      if (typeof topic !== 'string' || !topic || typeof key !== 'string' || !fits(key, KEY_BYTES_MAX))
        throw new ThexrError('INVALID', `a topic is a text, and a key one of at most ${KEY_BYTES_MAX} bytes`)
      const bytes = utf8.encode(JSON.stringify(cloneJson('message', data ?? null)))
      if (bytes.length > SAY_BYTES_MAX || !fits(APP + topic))
        throw new ThexrError('TOO_LARGE', `a message has at most ${SAY_BYTES_MAX} bytes`, {
          help: `Its topic has at most ${TOPIC_BYTES_MAX - APP.length}.`,
        })
      lane?.say(APP + topic, key, () => bytes)
    },
    on: emitter.on,
    say: (topic, key, data) => lane?.say(topic, key, data),
    onSaid: (topic, fn) => void hearers.set(topic, fn),
    onAbsent: (fn) => absent.on('absent', fn),
    ink: (board) => {
      const slot = { board, ink: lane?.ink(board) }
      boards.push(slot)
      return {
        grown: (stroke) => slot.ink?.grown(stroke),
        lifted: (strokeId, written) => slot.ink?.lifted(strokeId, written),
        arrived: (strokeId) => slot.ink?.arrived(strokeId),
      }
    },
    start,
    stop: () => {
      wanted = false
      lane?.stop()
    },
    redial: () => {
      if (lane) lane.redial()
      else start()
    },
    destroy: () => {
      wanted = false
      lane?.destroy()
      emitter.clear()
      absent.clear()
    },
  }
}
