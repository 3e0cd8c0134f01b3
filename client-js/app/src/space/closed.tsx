// The panels that stand where the space would be: it is missing, or the server closed the door.
import type { ThexrError } from '@thexr/client'
import * as Y from 'yjs'
import { useState } from 'preact/hooks'
import { TokenForm } from '../ui/token-form.js'
import type { AppSpace, Room } from './room.js'

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
  REPLACED: [
    'This space was made anew',
    'It was deleted and made again, or restored from a backup. Your copy of before is kept on this device and was not mixed into it.',
  ],
  TOO_LARGE: [
    'A change was too large',
    'The server refused it. It stays on this device; delete content, then connect again.',
  ],
}

/** Hands the document as it is here over as a file. */
const download = (space: AppSpace) => {
  const update = Y.encodeStateAsUpdate(space.doc) as Uint8Array<ArrayBuffer>
  const url = URL.createObjectURL(new Blob([update], { type: 'application/octet-stream' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: `${space.id}.yjs` })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000) // the browser reads it on its own time
}

interface Props {
  space: AppSpace
  error: ThexrError
  again: () => void
}

export function Closed({ space, error, again }: Props) {
  const [title, text] = reasons[error.code] ?? [
    'The server closed the connection',
    error.help || 'It will not be dialled again by itself.',
  ]
  const wantsToken = error.code === 'DENIED' || error.code === 'TOKEN'
  const gone = error.code === 'NOT_FOUND'
  const replaced = error.code === 'REPLACED'
  return (
    <main class="panel full" data-testid="closed">
      <div role="alert">
        <h1>{title}</h1>
        <p>{text}</p>
      </div>
      <p class="fine">
        {space.id}
        {error.closeCode ? ` · code ${error.closeCode}` : ''}
        {error.message ? ` · ${error.message}` : ''}
      </p>
      {wantsToken && <TokenForm done={again} />}
      <div class="row">
        {replaced ? (
          <>
            <button class="primary" onClick={again}>
              Open it as it is now
            </button>
            <button onClick={() => download(space)}>Download my copy</button>
            <button onClick={() => space.adopt()}>Bring my copy into it</button>
          </>
        ) : error.code === 'INCOMPATIBLE' ? (
          <button class="primary" onClick={() => location.reload()}>
            Reload
          </button>
        ) : (
          <button class={wantsToken || gone ? '' : 'primary'} onClick={() => space.reconnect()}>
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
