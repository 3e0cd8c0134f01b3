// The panels that stand where the space would be: it is missing, or the server closed the door.
import type { ThexrError } from '@thexr/client'
import { useState } from 'preact/hooks'
import { TokenForm } from '../ui/token-form.js'
import type { Room } from './room.js'

type Why = Extract<Room, { state: 'missing' }>['why']

const whys: Record<Why, string> = {
  'no name':
    'The id of a space has 1 to 64 lower-case letters, digits, “-” and “_”, and starts with a letter or digit.',
  'nobody made it': 'It may have another name, or nobody has made it yet.',
  deleted: 'It was deleted. Creating it again puts back what this browser kept of it.',
}

export function Missing({ id, why, create }: { id: string; why: Why; create: () => Promise<void> }) {
  const canCreate = why !== 'no name'
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const make = async () => {
    setBusy(true)
    setError('')
    try {
      await create()
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
      setBusy(false)
    }
  }
  return (
    <main class="panel full" data-testid="space-missing">
      <h1>There is no space “{id}”</h1>
      <p>{whys[why]}</p>
      <div class="row">
        {canCreate && (
          <button class="primary" onClick={make} disabled={busy} data-testid="create-missing">
            {busy ? 'Creating…' : 'Create it'}
          </button>
        )}
        <a class="button" href="#/">
          All spaces
        </a>
      </div>
      <p class="error" role="alert">
        {error}
      </p>
    </main>
  )
}

const reasons: Record<string, [title: string, text: string]> = {
  DENIED: ['You have no access to this space', 'Ask somebody who runs it, or use another token.'],
  TOKEN: ['Your access has run out', 'The server did not accept the token of this tab.'],
  NOT_FOUND: ['This space is gone', 'It was deleted, or the link is wrong.'],
  INCOMPATIBLE: [
    'This page is too old for the server',
    'Reload to get the current one. Your changes stay on this device.',
  ],
  TOO_LARGE: [
    'A change was too large',
    'The server refused it. It stays on this device; delete content, then connect again.',
  ],
}

interface Props {
  id: string
  error: ThexrError
  reconnect: () => void
  again: () => void
}

export function Closed({ id, error, reconnect, again }: Props) {
  const [title, text] = reasons[error.code] ?? [
    'The server closed the connection',
    error.help || 'It will not be dialled again by itself.',
  ]
  const wantsToken = error.code === 'DENIED' || error.code === 'TOKEN'
  const gone = error.code === 'NOT_FOUND'
  return (
    <main class="panel full" data-testid="closed">
      <div role="alert">
        <h1>{title}</h1>
        <p>{text}</p>
      </div>
      <p class="fine">
        {id}
        {error.closeCode ? ` · code ${error.closeCode}` : ''}
        {error.message ? ` · ${error.message}` : ''}
      </p>
      {wantsToken && <TokenForm done={again} />}
      <div class="row">
        {error.code === 'INCOMPATIBLE' ? (
          <button class="primary" onClick={() => location.reload()}>
            Reload
          </button>
        ) : (
          <button class={wantsToken || gone ? '' : 'primary'} onClick={reconnect}>
            Connect again
          </button>
        )}
        <a class={gone ? 'button primary' : 'button'} href="#/">
          All spaces
        </a>
      </div>
    </main>
  )
}
