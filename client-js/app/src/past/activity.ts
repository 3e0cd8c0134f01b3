// What a timeline is drawn from, asked of the server again when there is more, and when another part is wanted.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { AppSpace } from '../space/room.js'
import type { Activity, Stretch } from './moment.js'
import { getActivity } from './server.js'

/** While people edit, the newest end grows this often. */
const renewMs = 2500
/** A zoom under way asks for the last part only. */
const restMs = 120

export type Known =
  | { state: 'loading' }
  | { state: 'failed'; why: string }
  /** `whole` is all there is, `part` what is shown of it, in more detail. */
  | { state: 'known'; whole: Activity; part: Activity }

/** `live` while the newest end is looked at: then it is renewed. */
export function useActivity(
  space: AppSpace,
  stretch: Stretch | null,
  live: boolean,
): { known: Known; again: () => void } {
  const [known, setKnown] = useState<Known>({ state: 'loading' })
  const [round, setRound] = useState(0)
  const again = () => setRound((n) => n + 1)

  useEffect(() => {
    const asking = new AbortController()
    getActivity(space.id, null, asking.signal).then(
      (whole) =>
        setKnown((old) => ({
          state: 'known',
          whole,
          part: old.state === 'known' && stretch ? old.part : whole,
        })),
      (error: unknown) => {
        if (asking.signal.aborted) return
        const why = error instanceof Error ? error.message : String(error)
        // What is known stays: it is the past.
        setKnown((old) => (old.state === 'known' ? old : { state: 'failed', why }))
      },
    )
    return () => asking.abort()
  }, [space, round])

  const whole = known.state === 'known' ? known.whole : null
  useEffect(() => {
    if (!whole) return
    if (!stretch) {
      setKnown({ state: 'known', whole, part: whole })
      return
    }
    const asking = new AbortController()
    const timer = setTimeout(() => {
      getActivity(space.id, stretch, asking.signal).then(
        (part) => setKnown((old) => (old.state === 'known' ? { ...old, part } : old)),
        () => {},
      )
    }, restMs)
    return () => {
      clearTimeout(timer)
      asking.abort()
    }
  }, [space, whole, stretch?.from, stretch?.to])

  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => {
    if (!live) return
    const soon = () => {
      timer.current ??= setTimeout(() => {
        timer.current = undefined
        again()
      }, renewMs)
    }
    space.doc.on('update', soon)
    const offs = [
      () => space.doc.off('update', soon),
      space.presence.on('join', soon),
      space.presence.on('leave', soon),
      space.on('status', (status) => {
        if (status.state === 'online') soon()
      }),
    ]
    return () => {
      offs.forEach((off) => off())
      clearTimeout(timer.current)
      timer.current = undefined
    }
  }, [space, live])
  return { known, again }
}
