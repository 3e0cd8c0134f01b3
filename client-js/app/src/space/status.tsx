// Two honest lights: where your changes are, and whether the server is there.
import type { SaveState, Status } from '@thexr/client'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useChanges, useClock } from '../ui/hooks.js'
import { say } from '../ui/voice.js'
import type { AppSpace } from './room.js'

const saveTexts: Record<SaveState, string> = {
  saved: 'Saved',
  saving: 'Saving',
  local: 'On this device',
  unsaved: 'Not saved',
}
const saveHelp: Record<SaveState, string> = {
  saved: 'Every change is stored by the server.',
  saving: 'Changes are on their way to the server.',
  local: 'Changes are kept in this browser until the server has them.',
  unsaved: 'Changes exist only in this tab. Keep it open.',
}

const changes = (n: number): string => (n === 1 ? '1 change' : `${n.toLocaleString()} changes`)

/** Writing into the local copy takes a fraction of this. */
const alarmAfterMs = 1000

/**
 * Renders again whenever something this file shows may have changed. Every edit without a server is unsaved for the
 * moment it takes to store it here, so alarm is given when that lasts.
 */
function useSaving(space: AppSpace): { state: SaveState; pending: number } {
  useChanges(
    (changed) => {
      // `pending` moves without the state moving, and nothing reports that: look again with each edit.
      space.doc.on('update', changed)
      const offs = [
        space.on('save', changed),
        space.on('status', changed),
        () => space.doc.off('update', changed),
      ]
      return () => offs.forEach((off) => off())
    },
    [space],
  )
  const { saveState, pending } = space
  const [late, setLate] = useState(false)
  useEffect(() => {
    setLate(false)
    if (saveState !== 'unsaved') return
    const timer = setTimeout(() => setLate(true), alarmAfterMs)
    return () => clearTimeout(timer)
  }, [saveState])
  const passing = saveState === 'unsaved' && pending > 0 && !late
  return { state: passing ? 'saving' : saveState, pending }
}

export function SavePill({ space }: { space: AppSpace }) {
  const { state, pending } = useSaving(space)
  useSaidSave(state, pending)
  const count = state !== 'saved' && pending > 0 ? pending.toLocaleString() : ''
  // Nothing written and nothing confirmed yet is no reason to alarm anybody.
  const fresh = state !== 'saved' && pending === 0
  return (
    <span
      class={`pill save-${fresh ? 'fresh' : state}`}
      data-testid="save-pill"
      data-state={space.saveState}
      data-pending={pending}
      title={fresh ? undefined : saveHelp[state]}
    >
      <span class="light" aria-hidden="true" />
      <span class="pill-text">{fresh ? 'No changes' : saveTexts[state]}</span>
      {count && (
        <span class="count">
          {count}
          <span class="sr"> pending</span>
        </span>
      )}
    </span>
  )
}

/** Says the save state when it lasts, not with every stroke. */
function useSaidSave(state: SaveState, pending: number) {
  const idle = pending === 0
  const said = useRef<SaveState>('saved')
  useEffect(() => {
    if (state === 'saving' || state === said.current || (state !== 'saved' && idle)) return
    const timer = setTimeout(() => {
      said.current = state
      say(`${saveTexts[state]}. ${saveHelp[state]}`)
    }, 1000)
    return () => clearTimeout(timer)
  }, [state, idle])
}

export function Connection({ space }: { space: AppSpace }) {
  useChanges((changed) => space.on('status', changed), [space])
  const { status } = space
  return (
    <span class={`pill link-${status.state}`} data-testid="connection" data-state={status.state}>
      <span class="light" aria-hidden="true" />
      <span class="pill-text">{linkText(status)}</span>
    </span>
  )
}

function linkText(status: Status): string {
  if (status.state === 'online')
    return status.rttMs === null ? 'Online' : `${Math.max(1, Math.round(status.rttMs))} ms`
  if (status.state === 'connecting') return status.attempt > 1 ? 'Reconnecting' : 'Connecting'
  if (status.state === 'offline') return status.cause === 'paused' ? 'Connecting' : 'Offline'
  return 'Closed'
}

interface StripProps {
  space: AppSpace
  storageFailed: boolean
  ready: boolean
}

/** Trouble in one line below the top bar. It never blocks the work. */
export function StatusStrip({ space, storageFailed, ready }: StripProps) {
  const { state, pending } = useSaving(space)
  const { status } = space
  const lost = status.state === 'offline' && status.cause !== 'paused'
  const retrying = status.state === 'connecting' && status.attempt > 1
  const now = useClock(lost)
  useEffect(() => {
    if (lost) say('Offline.')
  }, [lost])
  if (!lost && !retrying && !storageFailed) return null

  const kept =
    pending === 0
      ? ''
      : state === 'unsaved'
        ? `${changes(pending)} in this tab only`
        : `${state === 'local' ? '' : 'keeping '}${changes(pending)}${state === 'local' ? ' kept' : ''} on this device`
  const wait =
    status.state === 'offline' && status.retryAt !== null ? Math.ceil((status.retryAt - now) / 1000) : 0
  const why =
    status.state === 'offline' && status.cause === 'token'
      ? 'No access token'
      : status.state === 'offline' && status.cause === 'server'
        ? 'The server is away'
        : 'Offline'
  return (
    <section class="strips" aria-label="Trouble">
      {lost && (
        <div class="strip" data-testid="offline">
          <span>{[why, kept, wait > 0 ? `retry in ${wait}\u00a0s` : ''].filter(Boolean).join(', ')}</span>
          <button class="link" data-testid="retry-now" onClick={() => space.reconnect()}>
            Retry now
          </button>
        </div>
      )}
      {retrying && (
        <div class="strip" data-testid="reconnecting">
          <span>{['Reconnecting', kept].filter(Boolean).join(', ')}…</span>
        </div>
      )}
      {storageFailed && (
        <div class="strip" data-testid="storage-failed">
          <span>
            This browser keeps no copy{ready ? '' : ' of the space'}. You can work, but changes that are not
            saved are lost with the tab.
          </span>
        </div>
      )}
    </section>
  )
}
