// The line that says that this is the past, with the ways out of it: back, restore, fork.
import { useEffect, useRef, useState } from 'preact/hooks'
import { hrefOf } from '../route.js'
import type { AppSpace } from '../space/room.js'
import { labelOf } from '../space/vocabulary.js'
import { Icon } from '../ui/icon.js'
import { toast } from '../ui/toast.js'
import { clockText, momentText, type Moment } from './moment.js'
import { diffText, shortId } from './sentences.js'
import { fork, getDiff, newestSeq, restore, type Diff } from './server.js'

interface Props {
  space: AppSpace
  title: string
  moment: Moment
  /** Said in place of the moment: it is on its way, or cannot be had. */
  note: string
  /** The picture is of this moment. */
  settled: boolean
  readOnly: boolean
  /** Asks for the moment again, after it could not be had. */
  retry: (() => void) | null
  /** What plays stops: what is asked about is one moment. */
  halt: () => void
  back: () => void
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export function Banner({ space, title, moment, note, settled, readOnly, retry, halt, back }: Props) {
  const [asking, setAsking] = useState<Moment | null>(null)
  const [forking, setForking] = useState(false)
  const { seq } = moment

  const makeFork = async () => {
    if (seq === null) return
    setForking(true)
    try {
      const name = `${title} at ${clockText(moment.at)}`.slice(0, 100)
      const made = await fork(space.id, seq, space.user, name)
      location.hash = hrefOf(made.id)
      toast({ text: `This is a new space, as ${title} was at ${momentText(moment.at)}.` })
    } catch (error) {
      toast({ text: `No new space was made. ${said(error)}`, tone: 'bad' })
      setForking(false)
    }
  }
  return (
    <section class="past-banner" aria-label="The past" data-testid="past-banner" data-settled={settled}>
      <p role="status">
        {note || (
          <>
            You are looking at{' '}
            <time data-testid="past-time" dateTime={new Date(moment.at).toISOString()}>
              {momentText(moment.at)}
            </time>
          </>
        )}
      </p>
      <span class="past-ways">
        <button class="primary small" data-testid="back-to-now" title="Back to now (Esc)" onClick={back}>
          Back to now
        </button>
        {retry && (
          <button class="small" data-testid="past-retry" onClick={retry}>
            Try again
          </button>
        )}
        {!readOnly && !retry && (
          <button
            class="small"
            data-testid="restore"
            disabled={!settled || seq === null}
            onClick={() => {
              halt()
              setAsking(moment)
            }}
          >
            Restore here
          </button>
        )}
        {!retry && (
          <button
            class="small"
            data-testid="fork"
            title="A new space that begins like this"
            disabled={!settled || seq === null || forking}
            onClick={makeFork}
          >
            Fork
          </button>
        )}
      </span>
      {asking && (
        <RestoreDialog
          space={space}
          moment={asking}
          close={(done) => {
            setAsking(null)
            if (done) back()
          }}
        />
      )}
    </section>
  )
}

/** Goes back, and offers the way back from that. */
async function restoreTo(space: AppSpace, seq: number, at: number) {
  const before = await restore(space.id, seq, space.user)
  const text = `The space is as it was at ${momentText(at)}.`
  if (before === null) return toast({ text })
  const undo = () =>
    restore(space.id, before, space.user).then(
      () => toast({ text: 'Undone: the space is as it was before.' }),
      (error: unknown) => toast({ text: `Not undone. ${said(error)}`, tone: 'bad' }),
    )
  toast({ text, action: { label: 'Undo', run: () => void undo() } })
}

interface DialogProps {
  space: AppSpace
  moment: Moment
  close: (done: boolean) => void
}

function RestoreDialog({ space, moment, close }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [diff, setDiff] = useState<Diff | null>(null)
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const seq = moment.seq ?? 0
  useEffect(() => {
    dialog.current?.showModal()
    const asking = new AbortController()
    newestSeq(space.id, asking.signal)
      .then((now) => getDiff(space.id, now, seq, asking.signal))
      .then(setDiff, (failure: unknown) => {
        if (!asking.signal.aborted) setError(`What would change is not known. ${said(failure)}`)
      })
    return () => asking.abort()
  }, [])

  const text = diff && diffText(diff)
  const go = async () => {
    setBusy(true)
    setError('')
    try {
      await restoreTo(space, seq, moment.at)
      close(true)
    } catch (failure) {
      setError(`Nothing was changed. ${said(failure)}`)
      setBusy(false)
    }
  }
  return (
    <dialog
      ref={dialog}
      class="sheet ask"
      aria-labelledby="restore-title"
      data-testid="restore-dialog"
      onClose={() => close(false)}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current?.close()
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <div class="sheet-body">
        <header>
          <h2 id="restore-title">Restore {momentText(moment.at)}?</h2>
          <button class="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Icon name="close" />
          </button>
        </header>
        <p data-testid="restore-diff" data-ready={diff !== null} role="status">
          {error
            ? ''
            : text === null
              ? 'Finding out what would change…'
              : text === ''
                ? 'Nothing would change: the space is like this now.'
                : `For everybody: ${text}.`}
        </p>
        {diff && <Names diff={diff} space={space} />}
        <p class="error" role="alert">
          {error}
        </p>
        <div class="row ask-ways">
          <button onClick={() => dialog.current?.close()}>Cancel</button>
          <button
            class="primary"
            data-testid="restore-go"
            disabled={!text || busy}
            // The dialog opens before it is known what there is to confirm.
            aria-busy={busy}
            onClick={go}
          >
            {busy ? 'Restoring…' : 'Restore'}
          </button>
        </div>
      </div>
    </dialog>
  )
}

const namesMax = 5

function Names({ diff, space }: { diff: Diff; space: AppSpace }) {
  const nameOf = (id: string, { name }: Record<string, unknown>): string => {
    if (typeof name === 'string' && name) return name.slice(0, 60)
    const here = space.entities.get(id)
    return here ? labelOf(here) : shortId(id)
  }
  const kinds = [
    ['Come back', diff.entities.added],
    ['Go', diff.entities.removed],
    ['Change', diff.entities.changed],
  ] as const
  return (
    <ul class="ask-names">
      {kinds
        .filter(([, list]) => list.length > 0)
        .map(([what, list]) => (
          <li key={what}>
            <span class="fine">{what}</span>{' '}
            {list
              .slice(0, namesMax)
              .map(({ id, components }) => nameOf(id, components))
              .join(', ')}
            {list.length > namesMax && ` and ${(list.length - namesMax).toLocaleString()} more`}
          </li>
        ))}
    </ul>
  )
}
