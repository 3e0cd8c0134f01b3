// One socket at a time to one URL: dialling, tokens, back-off, heartbeat, close codes. Knows nothing of
// documents; what travels is the business of the Session.
import { closeError, isTerminal, ThexrError } from './errors.js'
import type { LogLine, Status, TokenProvider, TokenReason } from './types.js'

const DIAL_MS_MAX = 10_000
const TOKEN_MS_MAX = 15_000
const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 15_000
/** A first sync is one long message and the browser shows no progress of it, so it gets more time. */
const FIRST_SYNC_MS_MAX = 30_000
/** What is still to be sent shows life only when it is more than socket buffers explain. */
const BACKLOG_BYTES = 64 * 1024
/** Refused tokens in a row (close code 4401) before we believe it. */
const REFUSALS_MAX = 3
/** Online for this long, a refused token means that it expired, not that it is wrong. */
const SETTLED_MS = 10_000

/** What a session needs of its socket. */
export interface Link {
  send(frame: Uint8Array): void
  /** Bytes that wait to leave. */
  readonly buffered: number
  /** Give this socket up and try a new one; after so many failures in a row it has to wait. */
  fail(error: ThexrError, failures: number): void
  /** Give up for good. */
  end(error: ThexrError): void
  rtt(ms: number): void
}

export interface Session {
  /** Throws on malformed bytes. */
  receive(frame: Uint8Array): void
  /** Sends something that every server answers. */
  probe(): void
  /** The first, long answer has arrived. */
  readonly synced: boolean
  close(): void
}

export interface ConnectionOptions {
  /** Where to dial, and which subprotocols to offer. */
  target(token: string | null): { url: string; protocols: string[] }
  /** Idle for this long, we probe … */
  idleMs: number
  /** … and without an answer for this long the link is dead. */
  answerMs: number
  space: string
  token: string | TokenProvider | undefined
  WebSocket: typeof WebSocket
  openSession(link: Link, token: string | null): Session
  /** Come back after a close code that is terminal to others. */
  comesBack?(closeCode: number): boolean
  onStatus(status: Status): void
  onError(error: ThexrError): void
  log(level: LogLine['level'], msg: string, data?: unknown): void
}

export interface Connection {
  readonly status: Status
  /** Leaves `paused` or a terminal close; otherwise does nothing. */
  start(): void
  stop(): void
  /** Dial now, whatever is going on. */
  redial(): void
  /** Closes as a terminal close code would. */
  refuse(error: ThexrError): void
  /** For good. */
  destroy(): void
}

interface Open {
  name: 'open'
  ws: WebSocket
  session: Session
  timer: Timer
  lastHeard: number
  probedAt: number | null
  backlog: number
  onlineSince: number | null
}

type Timer = ReturnType<typeof setTimeout>

type State =
  | { name: 'paused' }
  | { name: 'asking'; abort: AbortController; timer: Timer }
  | { name: 'dialing'; ws: WebSocket; timer: Timer }
  | Open
  | { name: 'waiting'; timer: Timer }
  | { name: 'closed' }

const retryDelay = (attempt: number): number =>
  RETRY_MS_MIN + Math.random() * (Math.min(RETRY_MS_MAX, 500 * 2 ** attempt) - RETRY_MS_MIN)

const hangUp = (ws: WebSocket): void => {
  ws.onopen = ws.onmessage = ws.onclose = null
  ws.onerror = () => {} // `ws` throws what nobody listens to
  ws.close(1000)
}

export const createConnection = (o: ConnectionOptions): Connection => {
  let state: State = { name: 'paused' }
  let status: Status = { state: 'offline', cause: 'paused', retryAt: null }
  let attempt = 0 // dials since a server last spoke to us
  let refusals = 0

  const enter = (next: State, shown: Status) => {
    state = next
    status = shown
    o.log('debug', shown.state, shown)
    o.onStatus(shown)
  }

  const leave = () => {
    if ('timer' in state) clearTimeout(state.timer)
    if ('abort' in state) state.abort.abort()
    if ('ws' in state) hangUp(state.ws)
    const session = 'session' in state ? state.session : null
    state = { name: 'paused' }
    session?.close()
  }

  const wait = (cause: 'network' | 'server' | 'token', error?: ThexrError) => {
    leave()
    const delay = retryDelay(attempt)
    const shown: Status = { state: 'offline', cause, retryAt: Date.now() + delay, ...(error && { error }) }
    enter({ name: 'waiting', timer: setTimeout(() => dial(), delay) }, shown)
  }

  const close = (error?: ThexrError) => {
    leave()
    enter({ name: 'closed' }, { state: 'closed', ...(error && { error }) })
    if (error) o.onError(error)
  }

  const dial = (reason: TokenReason = 'connect') => {
    leave()
    attempt++
    if (typeof o.token !== 'function') {
      openSocket(o.token ?? null)
      return
    }
    const abort = new AbortController()
    const failed = (cause: unknown) => {
      if (state !== mine) return
      const error = new ThexrError('TOKEN', 'the token provider failed', { retryable: true, cause })
      wait('token', error)
      o.onError(error)
    }
    const late = () => failed(new Error(`no answer within ${TOKEN_MS_MAX} ms`))
    const mine: State = { name: 'asking', abort, timer: setTimeout(late, TOKEN_MS_MAX) }
    enter(mine, { state: 'connecting', attempt })
    const { token: provide, space } = o
    const answer = (async () => provide({ space, reason, signal: abort.signal }))()
    answer.then((token) => {
      if (state === mine) openSocket(token)
    }, failed)
  }

  const openSocket = (token: string | null) => {
    const { WebSocket } = o
    let ws: WebSocket
    try {
      const { url, protocols } = o.target(token)
      ws = new WebSocket(url, protocols)
    } catch (cause) {
      const help = 'Check the URL, and that the token has only the characters of a JWT.'
      close(new ThexrError('INVALID', 'the WebSocket refused the URL or the token', { cause, help }))
      return
    }
    ws.binaryType = 'arraybuffer'
    ws.onerror = () => {} // a close event follows
    const giveUp = setTimeout(() => wait('network'), DIAL_MS_MAX)
    // Before anybody hears of it, because what they do may already hang this socket up.
    ws.onclose = (event) => lost(event.code, event.reason)
    ws.onopen = () => opened(ws, token)
    enter({ name: 'dialing', ws, timer: giveUp }, { state: 'connecting', attempt })
  }

  const opened = (ws: WebSocket, token: string | null) => {
    if (state.name === 'dialing') clearTimeout(state.timer)
    const link: Link = {
      send: (frame) => {
        if (ws.readyState === 1) ws.send(frame as Uint8Array<ArrayBuffer>)
      },
      get buffered() {
        return ws.bufferedAmount
      },
      fail: (error, failures) => {
        if (state !== mine) return
        // That the server spoke to us has reset it, but what failed is more expensive than a dial.
        attempt = Math.max(attempt, failures)
        wait('network', error)
        o.onError(error)
      },
      end: (error) => {
        if (state === mine) close(error)
      },
      rtt: (rttMs) => {
        if (state === mine && mine.onlineSince !== null) enter(mine, { state: 'online', rttMs })
      },
    }
    const now = performance.now()
    const mine: Open = {
      name: 'open',
      ws,
      session: o.openSession(link, token),
      timer: setTimeout(() => beat(mine), o.idleMs),
      lastHeard: now,
      probedAt: null,
      backlog: 0,
      onlineSince: null,
    }
    state = mine
    ws.onmessage = (event) => heard(mine, event.data)
  }

  const heard = (mine: Open, data: unknown) => {
    mine.lastHeard = performance.now()
    if (mine.onlineSince === null) {
      mine.onlineSince = mine.lastHeard
      attempt = 0
      enter(mine, { state: 'online', rttMs: null })
    }
    if (state !== mine || !(data instanceof ArrayBuffer)) return
    try {
      mine.session.receive(new Uint8Array(data))
    } catch (cause) {
      // A server that sends the same again on every connect must not be asked four times a second.
      attempt = Math.max(attempt, 4)
      const error = new ThexrError('PROTOCOL', 'the server sent malformed bytes', { retryable: true, cause })
      wait('server', error)
      o.onError(error)
    }
  }

  const beat = (mine: Open) => {
    if (state !== mine) return
    const now = performance.now()
    const { ws } = mine
    if (ws.bufferedAmount < mine.backlog && mine.backlog > BACKLOG_BYTES) mine.lastHeard = now
    mine.backlog = ws.bufferedAmount
    const answered = mine.probedAt === null || mine.lastHeard > mine.probedAt
    const patience = mine.session.synced || mine.onlineSince === null ? o.answerMs : FIRST_SYNC_MS_MAX
    if (!answered && now - mine.probedAt! >= patience) {
      o.log('warn', 'the link is silent')
      wait('network')
      // Waiting for the close handshake of a dead peer would keep a Node process alive.
      ;(ws as { terminate?(): void }).terminate?.()
      return
    }
    if (answered && now - mine.lastHeard >= o.idleMs) probe(mine)
    else
      rearm(mine, answered ? mine.lastHeard + o.idleMs : Math.min(mine.probedAt! + patience, now + o.idleMs))
  }

  const rearm = (mine: Open, at: number) => {
    clearTimeout(mine.timer)
    mine.timer = setTimeout(() => beat(mine), Math.max(10, at - performance.now()))
  }

  const probe = (mine: Open) => {
    mine.probedAt = performance.now()
    // During a first sync a question would be answered with the whole document once more.
    if (mine.session.synced) mine.session.probe()
    rearm(mine, mine.probedAt + o.answerMs)
  }

  const lost = (code: number, reason: string) => {
    const onlineMs =
      state.name === 'open' && state.onlineSince !== null ? performance.now() - state.onlineSince : 0
    o.log('info', 'socket closed', { code, reason })
    if (!isTerminal(code) || o.comesBack?.(code)) {
      const error = code === 1006 || code === 1005 ? undefined : closeError(code, reason)
      if (code >= 4500) attempt = Math.max(attempt, 3)
      wait(code === 1005 || code === 1006 ? 'network' : 'server', error)
      if (error?.code === 'TOO_LARGE') o.onError(error)
      return
    }
    if (code === 4401 && typeof o.token === 'function') {
      if (onlineMs >= SETTLED_MS) refusals = 0
      if (++refusals < REFUSALS_MAX) return dial(onlineMs > 0 ? 'expired' : 'denied')
    }
    refusals = 0
    close(closeError(code, reason))
  }

  const onOnline = () => {
    if (state.name === 'waiting') dial()
    else onOffline()
  }
  const onOffline = () => {
    if (state.name === 'open') probe(state)
  }
  const onVisible = () => {
    if (globalThis.document?.visibilityState === 'visible') onOnline()
  }
  // Absent in Node.
  globalThis.addEventListener?.('online', onOnline)
  globalThis.addEventListener?.('offline', onOffline)
  globalThis.document?.addEventListener('visibilitychange', onVisible)

  const redial = () => {
    attempt = 0
    dial()
  }

  return {
    get status() {
      return status
    },
    start: () => {
      if (state.name === 'paused' || state.name === 'closed') redial()
    },
    stop: () => {
      leave()
      enter({ name: 'paused' }, { state: 'offline', cause: 'paused', retryAt: null })
    },
    redial,
    refuse: (error) => {
      if (state.name !== 'closed') close(error)
    },
    destroy: () => {
      globalThis.removeEventListener?.('online', onOnline)
      globalThis.removeEventListener?.('offline', onOffline)
      globalThis.document?.removeEventListener('visibilitychange', onVisible)
      close()
    },
  }
}
