// The picture of a timeline and the slider on it. The picture is painted when it changes; the playhead only moves.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { nameIn } from '../people/identity.js'
import { useMedia } from '../ui/hooks.js'
import { clockText, rowsOf, seqAt, type Activity, type Moment, type Row, type Stretch } from './moment.js'
import { heightOf, margin, paintTimeline, type Inks } from './paint.js'

interface Props {
  activity: Activity
  stretch: Stretch
  /** null is now. */
  moment: Moment | null
  seq: number
  valueText: string
  /** The pointer points to a time. */
  scrub: (at: number) => void
  zoom: (factor: number, at: number) => void
  onKey: (event: KeyboardEvent) => void
}

const toldMax = 20

export function Strip({ activity, stretch, moment, seq, valueText, scrub, zoom, onKey }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const head = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const dark = useMedia('(prefers-color-scheme: dark)')
  const phone = useMedia('(max-width: 719px)')
  const gutter = phone ? 68 : 108
  const all = useMemo(() => rowsOf(activity.members, activity.to), [activity])
  const rows = all.slice(0, phone ? 3 : 4)
  const more = all.length - rows.length + activity.moreMembers
  const height = heightOf(rows.length, more)
  const wide = Math.max(1, width - gutter - margin)
  const part = moment ? (moment.at - stretch.from) / (stretch.to - stretch.from || 1) : 1
  const x = gutter + Math.min(1, Math.max(0, part)) * wide
  // A playhead that is not in the part that is shown would lie.
  const out = part < 0 || part > 1

  const told = useMemo(() => <Attendance rows={all.slice(0, toldMax)} />, [all])

  useLayoutEffect(() => {
    const node = box.current
    if (!node) return
    const measure = () => setWidth(node.clientWidth)
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(node)
    return () => observer.disconnect()
  }, [])
  useLayoutEffect(() => {
    const [node, c] = [canvas.current, canvas.current?.getContext('2d')]
    if (!node || !c || width === 0) return
    const ratio = Math.min(3, devicePixelRatio || 1)
    node.width = Math.round(width * ratio)
    node.height = Math.round(height * ratio)
    paintTimeline(c, { width, height, ratio, gutter, stretch, activity, rows, more, inks: inksOf(node) })
  }, [activity, stretch, width, height, gutter, dark])

  const timeAt = (clientX: number) => {
    const left = box.current?.getBoundingClientRect().left ?? 0
    const along = Math.min(1, Math.max(0, (clientX - left - gutter) / wide))
    return stretch.from + along * (stretch.to - stretch.from)
  }
  // Pointers report more often than there are frames.
  const pending = useRef(0)
  const frame = useRef(0)
  const latest = useRef(scrub)
  latest.current = scrub
  const soon = (at: number) => {
    pending.current = at
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0
      latest.current(pending.current)
    })
  }
  useEffect(() => () => cancelAnimationFrame(frame.current), [])
  const zooming = useRef(zoom)
  zooming.current = zoom
  useEffect(() => {
    const node = box.current
    if (!node) return
    const wheel = (event: WheelEvent) => {
      if (event.deltaY === 0) return
      event.preventDefault()
      zooming.current(event.deltaY > 0 ? 1.25 : 0.8, at.current(event.clientX))
    }
    node.addEventListener('wheel', wheel, { passive: false })
    return () => node.removeEventListener('wheel', wheel)
  }, [])
  const at = useRef(timeAt)
  at.current = timeAt

  const dragged = useRef(false)
  return (
    <div class="strip-box">
      <div
        ref={box}
        class="strip-plot"
        data-testid="timeline-slider"
        style={{ height: `${height}px` }}
        role="slider"
        tabIndex={0}
        aria-label="Moment"
        aria-orientation="horizontal"
        aria-valuemin={activity.oldestSeq}
        aria-valuemax={Math.max(activity.newestSeq, seq)}
        aria-valuenow={seq}
        aria-valuetext={valueText}
        aria-describedby="timeline-help"
        onKeyDown={onKey}
        onPointerDown={(event) => {
          if (event.button !== 0) return
          event.currentTarget.setPointerCapture(event.pointerId)
          dragged.current = true
          soon(timeAt(event.clientX))
        }}
        onPointerMove={(event) => {
          if (dragged.current) soon(timeAt(event.clientX))
        }}
        onPointerUp={(event) => {
          if (!dragged.current) return
          dragged.current = false
          soon(timeAt(event.clientX))
        }}
        onPointerCancel={() => {
          dragged.current = false
        }}
      >
        <canvas ref={canvas} class="strip-canvas" aria-hidden="true" data-width={width} />
        <div
          ref={head}
          class={`playhead ${moment ? '' : 'now'} ${out ? 'out' : ''}`}
          data-testid="playhead"
          style={{ transform: `translateX(${x.toFixed(1)}px)` }}
          aria-hidden="true"
        />
      </div>
      <p id="timeline-help" class="sr">
        Left and right arrows go by one event, with Shift by ten seconds, Page Up and Page Down by a minute,
        Home and End to the ends. Space plays, brackets change the speed, plus and minus zoom, Escape goes
        back to now.
      </p>
      {told}
    </div>
  )
}

/** The lines of people, for who cannot see them. */
const Attendance = ({ rows }: { rows: readonly Row[] }) => (
  <ul class="sr" aria-label="Who was there">
    {rows.map((row) => (
      <li key={row.user}>
        {nameIn({ name: row.name })}:{' '}
        {row.spans
          .filter((span) => !span.away)
          .slice(0, 6)
          .map((span) => `${clockText(span.from)} to ${span.to === null ? 'now' : clockText(span.to)}`)
          .join(', ')}
      </li>
    ))}
  </ul>
)

/** What the slider says of a moment. */
export const valueTextOf = (activity: Activity, moment: Moment | null): string =>
  moment
    ? `${clockText(moment.at)}, event ${(moment.seq ?? seqAt(activity, moment.at)).toLocaleString()}`
    : `Now, event ${activity.newestSeq.toLocaleString()}`

function inksOf(node: HTMLElement): Inks {
  const style = getComputedStyle(node)
  const read = (name: string) => style.getPropertyValue(name).trim()
  return {
    bar: read('--accent-fill'),
    text: read('--text'),
    dim: read('--dim'),
    line: read('--line'),
    surface: read('--surface'),
  }
}
