// The picture of a timeline: bars of how much was changed, a line for each person, the hours below.
import { colorOf, nameIn } from '../people/identity.js'
import { ticksOf, type Activity, type Row, type Stretch } from './moment.js'

export interface Inks {
  readonly bar: string
  readonly text: string
  readonly dim: string
  readonly line: string
  readonly surface: string
}

export interface Picture {
  readonly width: number
  readonly height: number
  readonly ratio: number
  readonly gutter: number
  readonly stretch: Stretch
  readonly activity: Activity
  readonly rows: readonly Row[]
  /** People beyond those rows. */
  readonly more: number
  readonly inks: Inks
}

export const barsHeight = 34
export const rowHeight = 16
export const axisHeight = 20
/** Right of the line, so that the last label and the playhead have room. */
export const margin = 12

export const heightOf = (rows: number, more: number): number =>
  barsHeight + (rows + (more > 0 ? 1 : 0)) * rowHeight + axisHeight + 4

const font = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"

/** As much of a text as fits. */
function fitting(c: CanvasRenderingContext2D, text: string, width: number): string {
  if (c.measureText(text).width <= width) return text
  const letters = [...text]
  while (letters.length > 1 && c.measureText(`${letters.join('')}…`).width > width) letters.pop()
  return `${letters.join('')}…`
}

export function paintTimeline(c: CanvasRenderingContext2D, picture: Picture): void {
  const { width, height, ratio, gutter, stretch, activity, rows, more, inks } = picture
  c.setTransform(ratio, 0, 0, ratio, 0, 0)
  c.clearRect(0, 0, width, height)
  c.font = font
  c.textBaseline = 'middle'
  const wide = Math.max(1, width - gutter - margin)
  const x = (at: number) => gutter + ((at - stretch.from) / (stretch.to - stretch.from || 1)) * wide
  const [left, right] = [gutter, gutter + wide]
  const clip = (at: number) => Math.min(right, Math.max(left, x(at)))

  const bottom = height - axisHeight
  c.fillStyle = inks.dim
  c.strokeStyle = inks.line
  c.lineWidth = 1
  for (const { at, text } of ticksOf(stretch, Math.max(2, wide / 84))) {
    const px = Math.round(x(at)) + 0.5
    c.beginPath()
    c.moveTo(px, 0)
    c.lineTo(px, bottom + 4)
    c.stroke()
    const half = c.measureText(text).width / 2
    c.textAlign = 'center'
    c.fillText(text, Math.min(width - half - 1, Math.max(half + 1, px)), bottom + 12)
  }

  // The square root, so that a flood does not make everything else invisible.
  const most = Math.sqrt(Math.max(1, ...activity.buckets.map((bucket) => bucket.edits)))
  const floor = barsHeight
  c.fillStyle = inks.bar
  activity.buckets.forEach(({ edits }, index) => {
    if (edits === 0) return
    const from = activity.from + index * activity.bucketMs
    if (from > stretch.to || from + activity.bucketMs < stretch.from) return
    const [start, end] = [clip(from), clip(from + activity.bucketMs)]
    const tall = Math.max(2, (Math.sqrt(edits) / most) * (barsHeight - 4))
    // A moment of much is not lost between two pixels.
    c.fillRect(start, floor - tall, Math.max(1.5, end - start - (end - start > 4 ? 1 : 0)), tall)
  })
  c.beginPath()
  c.moveTo(left, floor + 0.5)
  c.lineTo(right, floor + 0.5)
  c.stroke()

  c.textAlign = 'left'
  rows.forEach((row, index) => {
    const y = barsHeight + (index + 0.5) * rowHeight + 2
    c.fillStyle = inks.dim
    c.fillText(fitting(c, nameIn({ name: row.name }), gutter - 12), 4, y)
    const color = colorOf(row.user)
    for (const { from, to, away } of row.spans) {
      if (from > stretch.to || (to ?? Infinity) < stretch.from) continue
      const [start, end] = [clip(from), clip(to ?? stretch.to)]
      c.strokeStyle = c.fillStyle = color
      if (away) {
        c.lineWidth = 2
        c.setLineDash([3, 3])
        c.beginPath()
        c.moveTo(start, y)
        c.lineTo(end, y)
        c.stroke()
        c.setLineDash([])
      } else {
        c.beginPath()
        c.roundRect(start, y - 3, Math.max(3, end - start), 6, 3)
        c.fill()
      }
    }
  })
  if (more > 0) {
    c.fillStyle = inks.dim
    c.fillText(`and ${more.toLocaleString()} more`, 4, barsHeight + (rows.length + 0.5) * rowHeight + 2)
  }
}
