// The list of spaces: find one, open one, make one.
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, createSpace, listSpaces, type SpaceInfo } from '../api.js'
import { hrefOf } from '../route.js'
import { Icon } from '../ui/icon.js'
import { showShortcuts } from '../ui/shortcuts.js'
import { toast } from '../ui/toast.js'
import { TokenForm } from '../ui/token-form.js'
import { SpaceCard } from './card.js'

type List =
  | { state: 'loading' }
  | { state: 'failed'; error: ApiError }
  | { state: 'there'; items: SpaceInfo[]; next: string | null }

function useSpaces() {
  const [list, setList] = useState<List>({ state: 'loading' })
  const running = useRef<AbortController | null>(null)

  const load = async (after: string | null, quiet = false) => {
    running.current?.abort()
    const { signal } = (running.current = new AbortController())
    if (!after && !quiet) setList({ state: 'loading' })
    try {
      const page = await listSpaces(after, signal)
      setList((old) => ({
        state: 'there',
        next: page.next,
        items: after && old.state === 'there' ? [...old.items, ...page.items] : page.items,
      }))
    } catch (error) {
      if (signal.aborted) return
      const failure = error instanceof ApiError ? error : new ApiError(0, String(error))
      if (quiet || after) toast({ text: failure.message })
      else setList({ state: 'failed', error: failure })
    }
  }

  useEffect(() => {
    document.title = 'Spaces · Thexr'
    void load(null)
    const seen = () => {
      if (!document.hidden) void load(null, true)
    }
    document.addEventListener('visibilitychange', seen)
    return () => {
      document.removeEventListener('visibilitychange', seen)
      running.current?.abort()
    }
  }, [])
  return { list, load }
}

export function Home() {
  const { list, load } = useSpaces()
  const [filter, setFilter] = useState('')
  const [naming, setNaming] = useState(false)
  const needle = filter.trim().toLowerCase()
  const items = list.state === 'there' ? list.items : []
  const found = items.filter((each) => `${each.name ?? ''} ${each.id}`.toLowerCase().includes(needle))

  return (
    <div class="home">
      <header class="home-bar">
        <span class="brand">
          <img src="/icon.svg" alt="" width="24" height="24" /> Thexr
        </span>
        <button
          class="icon-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={showShortcuts}
        >
          <Icon name="keyboard" />
        </button>
      </header>
      <main>
        <div class="home-head">
          <h1>Spaces</h1>
          {items.length > 0 && (
            <label class="search">
              <span class="sr">Search spaces</span>
              <Icon name="search" />
              <input
                type="search"
                placeholder="Search"
                value={filter}
                data-testid="search"
                onInput={(event) => setFilter(event.currentTarget.value)}
              />
            </label>
          )}
          {!naming && (items.length > 0 || list.state === 'failed') && (
            <button class="primary" data-testid="new-space" onClick={() => setNaming(true)}>
              <Icon name="add" /> New space
            </button>
          )}
        </div>
        {naming && <NewSpace close={() => setNaming(false)} />}
        {list.state === 'loading' && (
          <div data-testid="home-loading">
            <p class="sr" role="status">
              Loading spaces
            </p>
            <ul class="cards" aria-hidden="true">
              {[0, 1, 2, 3, 4, 5].map((n) => (
                <li key={n} class="card skeleton" />
              ))}
            </ul>
          </div>
        )}
        {list.state === 'failed' && <Failed error={list.error} retry={() => load(null)} />}
        {list.state === 'there' && items.length === 0 && !naming && (
          <div class="panel" data-testid="home-empty">
            <p>A space is a place that several people edit at once, and keeps working offline.</p>
            <button class="primary" data-testid="new-space" onClick={() => setNaming(true)}>
              <Icon name="add" /> New space
            </button>
          </div>
        )}
        {found.length > 0 && (
          <ul class="cards">
            {found.map((each) => (
              <SpaceCard key={each.id} space={each} />
            ))}
          </ul>
        )}
        {items.length > 0 && found.length === 0 && (
          <p class="none" data-testid="home-none">
            No space matches “{filter}”.
          </p>
        )}
        {list.state === 'there' && list.next && (
          <button class="more" onClick={() => load(list.next)}>
            Show more
          </button>
        )}
      </main>
    </div>
  )
}

function NewSpace({ close }: { close: () => void }) {
  const [name, setName] = useState('')
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])

  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setError('')
    try {
      const space = await createSpace(name.trim() ? { name: name.trim() } : {})
      location.hash = hrefOf(space.id)
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
      setBusy(false)
      input.current?.focus()
    }
  }
  return (
    <form
      class="new-space"
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
      }}
    >
      <label class="field">
        <span class="field-name">Name</span>
        <input
          ref={input}
          value={name}
          maxLength={100}
          placeholder="Optional"
          data-testid="new-space-name"
          aria-invalid={error !== ''}
          aria-describedby="new-space-error"
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <button class="primary" type="submit" disabled={busy} data-testid="create-space">
        {busy ? 'Creating…' : 'Create'}
      </button>
      <button type="button" onClick={close}>
        Cancel
      </button>
      <p id="new-space-error" class="error" role="alert">
        {error}
      </p>
    </form>
  )
}

function Failed({ error, retry }: { error: ApiError; retry: () => void }) {
  const denied = error.status === 401 || error.status === 403
  return (
    <div class="panel" data-testid="home-error" role="alert">
      <h2>{denied ? 'This server wants to know who you are' : 'The list of spaces did not load'}</h2>
      <p>{error.message}</p>
      {denied ? (
        <TokenForm done={retry} />
      ) : (
        <button class="primary" data-testid="retry" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}
