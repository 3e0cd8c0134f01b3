// A moment of the past: its words, its place on a line, and which event it comes after. Plain functions.

export interface Moment {
  /** Milliseconds since 1970. */
  readonly at: number
  /** The event it comes after; null until the server says which. */
  readonly seq: number | null
  /** The time is a guess: it is that of the event, which the journal knows. */
  readonly about?: boolean
}

/** The time that a timeline shows, in milliseconds since 1970. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

export interface Bucket {
  readonly edits: number
  readonly members: number
  /** The event its end comes after. */
  readonly seq: number
}

export interface Span {
  readonly from: number
  /** null: it goes on. */
  readonly to: number | null
  readonly away: boolean
}

export interface Attendee {
  readonly member: string
  readonly user: string
  readonly name: string
  readonly spans: readonly Span[]
}

/** What GET …/activity tells, with its times as numbers. */
export interface Activity extends Stretch {
  readonly seqFrom: number
  readonly seqTo: number
  readonly oldestSeq: number
  readonly newestSeq: number
  readonly bucketMs: number
  readonly buckets: readonly Bucket[]
  readonly members: readonly Attendee[]
  readonly moreMembers: number
}

const dayMs = 86_400_000

// Made once: making one takes longer than everything else that a frame of the timeline does.
const two = '2-digit'
const clock = new Intl.DateTimeFormat([], { hour: two, minute: two, second: two, hourCycle: 'h23' })
const minutes = new Intl.DateTimeFormat([], { hour: two, minute: two, hourCycle: 'h23' })
const dayOfYear = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' })
const dayAndYear = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short', year: 'numeric' })

export const clockText = (at: number): string => clock.format(at)

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0)

/** “14:03:22”, “14:03:22 yesterday”, “14:03:22 on 3 Nov 2026”. */
export function momentText(at: number, now = Date.now()): string {
  // Days have 23 to 25 hours.
  const days = Math.round((midnight(now) - midnight(at)) / dayMs)
  if (days === 0) return clockText(at)
  if (days === 1) return `${clockText(at)} yesterday`
  return `${clockText(at)} on ${dayAndYear.format(at)}`
}

/** Which event the time comes after, as far as the buckets tell. */
export function seqAt(activity: Activity, at: number): number {
  if (at < activity.from) return activity.seqFrom
  const index = Math.floor((at - activity.from) / activity.bucketMs)
  const bucket = activity.buckets[index]
  if (!bucket) return activity.seqTo
  const before = activity.buckets[index - 1]?.seq ?? activity.seqFrom
  const part = (at - activity.from - index * activity.bucketMs) / activity.bucketMs
  return Math.round(before + (bucket.seq - before) * part)
}

/** When an event was, as far as the buckets tell. */
export function atOf(activity: Activity, seq: number): number {
  if (seq <= activity.seqFrom) return activity.from
  const index = activity.buckets.findIndex((bucket) => bucket.seq >= seq)
  const bucket = activity.buckets[index]
  if (!bucket) return activity.to
  const before = activity.buckets[index - 1]?.seq ?? activity.seqFrom
  const part = (seq - before) / (bucket.seq - before)
  return Math.min(activity.to, activity.from + (index + part) * activity.bucketMs)
}

const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200]
const steps: readonly number[] = [
  ...seconds.map((each) => each * 1000),
  ...[1, 2, 7, 14, 30, 90, 365].map((each) => each * dayMs),
]

export interface Tick {
  readonly at: number
  readonly text: string
}

/** Round local times, at most `most` of them. */
export function ticksOf({ from, to }: Stretch, most: number): Tick[] {
  const step = steps.find((each) => (to - from) / each <= most) ?? 365 * dayMs
  const zone = new Date(from).getTimezoneOffset() * 60_000
  const ticks: Tick[] = []
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) {
    const date = new Date(at)
    const isDay =
      step >= dayMs || (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0)
    ticks.push({ at, text: (isDay ? dayOfYear : step < 60_000 ? clock : minutes).format(at) })
  }
  return ticks
}

/** A second is the shortest that can be read. */
const stretchMsMin = 1000

/** Closer (factor below 1) or farther, with `at` staying where it is. Never more than there is. */
export function zoomed(stretch: Stretch, whole: Stretch, factor: number, at: number): Stretch {
  const length = Math.max(stretchMsMin, (stretch.to - stretch.from) * factor)
  if (length >= whole.to - whole.from) return whole
  const part = (at - stretch.from) / (stretch.to - stretch.from || 1)
  return within({ from: at - part * length, to: at - part * length + length }, whole)
}

const within = ({ from, to }: Stretch, whole: Stretch): Stretch => {
  const shift = Math.max(0, whole.from - from) - Math.max(0, to - whole.to)
  return { from: Math.max(whole.from, from + shift), to: Math.min(whole.to, to + shift) }
}

/** The same length, moved so that the moment is in it. */
export function following(stretch: Stretch, whole: Stretch, at: number): Stretch {
  if (at >= stretch.from && at <= stretch.to) return stretch
  const half = (stretch.to - stretch.from) / 2
  return within({ from: at - half, to: at + half }, whole)
}

/** A row of the timeline: a person with the times of all their windows. */
export interface Row {
  readonly user: string
  readonly name: string
  readonly spans: readonly Span[]
}

/** By user, those who were there longest first. */
export function rowsOf(members: readonly Attendee[], end: number): Row[] {
  const rows = new Map<string, { user: string; name: string; spans: Span[] }>()
  for (const { user, name, spans } of members) {
    const row = rows.get(user)
    if (!row) rows.set(user, { user, name, spans: [...spans] })
    else {
      row.spans.push(...spans)
      row.name = name || row.name
    }
  }
  const total = (row: Row) =>
    row.spans.reduce((sum, span) => sum + (span.away ? 0 : (span.to ?? end) - span.from), 0)
  const sorted = [...rows.values()].map((row) => ({ row, total: total(row) }))
  return sorted.sort((a, b) => b.total - a.total).map(({ row }) => row)
}

/** Who was there at a time, and whether lost just then. */
export function thereAt(
  members: readonly Attendee[],
  at: number,
): { who: Attendee; away: boolean; since: number }[] {
  return members.flatMap((who) => {
    const span = who.spans.find((each) => each.from <= at && (each.to === null || at < each.to))
    return span ? [{ who, away: span.away, since: who.spans[0]?.from ?? span.from }] : []
  })
}
