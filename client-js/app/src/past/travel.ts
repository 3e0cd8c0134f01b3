// Which moment is looked at, and everything that changes it: the slider, the link, the clock of a replay.
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.js'
import { hrefOf, type Route } from '../route.js'
import type { AppSpace } from '../space/room.js'
import { useActivity } from './activity.js'
import { createFrames, type Frames } from './frames.js'
import { useItems } from './happened.js'
import { atOf, following, seqAt, zoomed, type Moment, type Stretch } from './moment.js'
import { createPlayer, speeds, type Player } from './player.js'
import { crowdAt, pastSpace, type Loaded } from './view.js'

export interface TravelProps {
  space: AppSpace
  /** Where the page was told to be. */
  route: Extract<Route, { page: 'space' }>
  /** What the rest of the page shows: the past, or null for the present. */
  show: (past: AppSpace | null) => void
  /** What it shows now. */
  shown: AppSpace | null
}

export type Travel = ReturnType<typeof useTravel>

/** The address follows a moment that is looked at for this long. */
const addressMs = 300

export function useTravel({ space, route, show, shown }: TravelProps) {
  const [moment, setMoment] = useState<Moment | null>(null)
  const [stretch, setStretch] = useState<Stretch | null>(null)
  const [settled, setSettled] = useState(true)
  const [failure, setFailure] = useState('')
  const [speed, setSpeed] = useState(1)
  const [playing, setPlaying] = useState(false)
  const [waiting, setWaiting] = useState(false)
  const { known, again } = useActivity(space, stretch, moment === null)
  const whole = known.state === 'known' ? known.whole : null
  const part = known.state === 'known' ? known.part : null

  // What the callbacks of this render need when they come back later.
  const now = useRef({ moment, whole, shown })
  now.current = { moment, whole, shown }

  // --- frames

  const frames = useRef<Frames | null>(null)
  const lastKey = useRef('')
  useEffect(() => {
    const made = createFrames(space, {
      show: (scene: Loaded, seq, wanted) => {
        const { moment, whole } = now.current
        if (!moment) return
        const at =
          'at' in wanted ? wanted.at : moment.seq === wanted.seq || !whole ? moment.at : atOf(whole, seq)
        const crowd = crowdAt(whole?.members ?? [], at)
        // While the pointer is within one event nothing is drawn again.
        const key = `${seq} ${crowd.key}`
        if (key !== lastKey.current || !now.current.shown) show(pastSpace(space, scene, crowd))
        lastKey.current = key
        const hit = 'at' in wanted ? moment.at === wanted.at : moment.seq === wanted.seq
        if (!hit) return
        setFailure('')
        setSettled(true)
        setMoment((old) => (old && old.seq === null && old.at === moment.at ? { at: old.at, seq } : old))
      },
      fail: (error, wanted) => {
        const gone = error instanceof ApiError && error.status === 404
        const oldest = now.current.whole?.oldestSeq ?? 0
        setFailure(
          gone && 'seq' in wanted && wanted.seq < oldest
            ? 'That moment is not kept any more.'
            : gone
              ? 'There is no such moment.'
              : error instanceof Error
                ? error.message
                : String(error),
        )
        player.current?.pause()
        setPlaying(false)
      },
    })
    frames.current = made
    return () => {
      made.destroy()
      show(null)
    }
  }, [space])

  // --- going somewhere

  const toNow = () => {
    player.current?.stop()
    setPlaying(false)
    setWaiting(false)
    frames.current?.stop()
    lastKey.current = ''
    now.current.moment = null
    setMoment(null)
    setFailure('')
    setSettled(true)
    show(null)
    again()
  }
  /** The playhead is there. */
  const arrive = (next: Moment) => {
    now.current.moment = next
    setMoment(next)
    if (stretch && whole) setStretch(following(stretch, whole, next.at))
  }
  const look = (next: Moment) => {
    player.current?.stop()
    setWaiting(false)
    arrive(next)
    setSettled(false)
    frames.current?.want(next.seq === null ? { at: next.at } : { seq: next.seq })
  }
  const halt = () => {
    const stands = player.current?.pause() ?? false
    setPlaying(false)
    if (!stands) setWaiting(false)
    return stands
  }
  const toTime = (at: number) => {
    if (!whole) return
    if (at >= whole.to) return toNow()
    look({ at: Math.max(whole.from, at), seq: null })
  }
  const toSeq = (seq: number, at?: number) => {
    if (!whole || seq >= whole.newestSeq) return toNow()
    const next = Math.max(whole.oldestSeq, seq)
    const finer = part && next > part.seqFrom && next <= part.seqTo ? part : whole
    look({ seq: next, at: at ?? atOf(finer, next), about: at === undefined })
  }
  const seqOf = (moment: Moment | null) =>
    moment ? (moment.seq ?? (part ? seqAt(part, moment.at) : 0)) : (whole?.newestSeq ?? 0)
  const seq = seqOf(moment)
  const step = (by: number) => {
    halt()
    // Keys may come faster than the page draws.
    toSeq(seqOf(now.current.moment) + by)
  }

  // A link to a moment, and the buttons of the browser.
  useEffect(() => {
    if (!whole) return
    if (route.seq === undefined) {
      if (now.current.moment) toNow()
    } else if (route.seq > whole.newestSeq) {
      setFailure('There is no such moment.')
    } else look({ seq: route.seq, at: atOf(whole, route.seq), about: true })
  }, [route, whole !== null])

  // --- playing

  const player = useRef<Player | null>(null)
  const go = useRef(arrive)
  go.current = arrive
  useEffect(() => {
    const made = createPlayer(space, {
      show: (past) => {
        lastKey.current = ''
        show(past)
        setSettled(true)
      },
      moved: (next) => go.current(next),
      waiting: setWaiting,
      ended: toNow,
      failed: (why) => {
        setPlaying(false)
        setFailure(why)
      },
    })
    player.current = made
    return made.stop
  }, [space])
  const toggle = () => {
    if (!whole || !player.current) return
    if (playing) {
      // Nothing of the replay had come: what the page shows is not that moment.
      if (!halt() && now.current.moment) look(now.current.moment)
      return
    }
    const from = now.current.moment ?? { at: stretch?.from ?? whole.from, seq: null }
    // The picture that is on its way would replace the one that plays.
    frames.current?.stop()
    if (!moment) arrive(from)
    setFailure('')
    player.current.play(from, speed)
    setPlaying(true)
  }
  const setPace = (next: number) => {
    setSpeed(next)
    player.current?.setSpeed(next)
  }
  const pace = (by: number) => {
    const index = speeds.indexOf(speed) + by
    setPace(speeds[Math.min(speeds.length - 1, Math.max(0, index))] ?? 1)
  }

  const zoom = (factor: number, at: number) => {
    if (!whole) return
    const next = zoomed(stretch ?? whole, whole, factor, at)
    setStretch(next.from <= whole.from && next.to >= whole.to ? null : next)
  }

  // --- what follows from where we are

  const items = useItems(space, seq)
  // The journal knows the time of an event exactly; the buckets only about.
  useEffect(() => {
    const item = items.at(-1)
    if (item && moment?.about && moment.seq === item.seq)
      setMoment({ seq: item.seq, at: Date.parse(item.at) })
  }, [items, moment])
  useEffect(() => {
    if (playing) return
    if (!whole || failure) return
    const timer = setTimeout(() => {
      if (moment && moment.seq === null) return
      const href = hrefOf(space.id, moment?.seq ?? undefined)
      if (location.hash !== href && settled) history.replaceState(history.state, '', href)
    }, addressMs)
    return () => clearTimeout(timer)
  }, [moment?.seq, settled, playing, whole !== null, failure])

  return {
    /** null is now. */
    moment,
    /** The event it comes after, or about. */
    seq,
    /** The page shows that moment. */
    settled,
    failure,
    /** A replay waits for the server. */
    waiting,
    known,
    again,
    whole,
    part,
    /** The part of the time that the timeline shows; null is all of it. */
    stretch,
    items,
    playing,
    halt,
    speed,
    /** Where the playhead is at this instant, which may be ahead of what is drawn. */
    at: () => now.current.moment?.at ?? whole?.to ?? 0,
    toNow,
    toTime: (at: number) => {
      halt()
      toTime(at)
    },
    toSeq: (seq: number, at?: number) => {
      halt()
      toSeq(seq, at)
    },
    step,
    retry: () => moment && look(moment),
    toggle,
    setPace,
    pace,
    zoom,
    showAll: () => setStretch(null),
  }
}
