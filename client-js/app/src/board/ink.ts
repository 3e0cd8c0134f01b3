// A stroke as something to fill: its outline, its box, and whether a point touches it.
import type { Point, Stroke } from '@thexr/client'
import { getStroke } from 'perfect-freehand'
import type { Box } from './camera.js'

export interface Ink {
  readonly stroke: Pick<Stroke, 'id' | 'color' | 'size' | 'tool'>
  readonly points: readonly Point[]
  readonly path: Path2D
  readonly box: Box
}

/** A mouse has no pressure and reports one half; its lines get their width from speed. */
const hasPressure = (points: readonly Point[]): boolean =>
  points.some((point) => Math.abs(point[2] - 0.5) > 0.01)

export function inkOf(
  stroke: Pick<Stroke, 'id' | 'color' | 'size' | 'tool'>,
  points: readonly Point[],
  done: boolean,
): Ink {
  const marker = stroke.tool === 'marker'
  const outline = getStroke(points as unknown as number[][], {
    size: stroke.size * (marker ? 2.5 : 1.6),
    thinning: marker ? 0 : 0.55,
    smoothing: 0.5,
    streamline: 0.35,
    simulatePressure: !hasPressure(points),
    last: done,
  })
  return { stroke, points, path: pathOf(outline), box: boxOf(points, stroke.size * 1.6 + 2) }
}

/** Quadratic curves through the middles of the outline's edges: smooth with half the points. */
function pathOf(outline: number[][]): Path2D {
  const path = new Path2D()
  const first = outline[0]
  if (!first) return path
  path.moveTo(first[0] ?? 0, first[1] ?? 0)
  outline.forEach(([x = 0, y = 0], index) => {
    const [nx = 0, ny = 0] = outline[(index + 1) % outline.length] ?? first
    path.quadraticCurveTo(x, y, (x + nx) / 2, (y + ny) / 2)
  })
  path.closePath()
  return path
}

function boxOf(points: readonly Point[], margin: number): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const [x, y] of points) {
    if (x < left) left = x
    if (x > right) right = x
    if (y < top) top = y
    if (y > bottom) bottom = y
  }
  return { left: left - margin, top: top - margin, right: right + margin, bottom: bottom + margin }
}

/** Whether the way from (ax, ay) to (bx, by) comes within `reach` of the ink. */
export function touches(ink: Ink, ax: number, ay: number, bx: number, by: number, reach: number): boolean {
  const { box, points } = ink
  if (Math.max(ax, bx) + reach < box.left || Math.min(ax, bx) - reach > box.right) return false
  if (Math.max(ay, by) + reach < box.top || Math.min(ay, by) - reach > box.bottom) return false
  const near = reach + ink.stroke.size * 0.8
  const only = points[0]
  if (points.length === 1 && only) return toSegment(only[0], only[1], ax, ay, bx, by) <= near
  for (let i = 1; i < points.length; i++) {
    const [p, q] = [points[i - 1], points[i]]
    if (!p || !q) continue
    if (crosses(p[0], p[1], q[0], q[1], ax, ay, bx, by)) return true
    if (
      toSegment(ax, ay, p[0], p[1], q[0], q[1]) <= near ||
      toSegment(bx, by, p[0], p[1], q[0], q[1]) <= near
    )
      return true
  }
  return false
}

function toSegment(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const [dx, dy] = [bx - ax, by - ay]
  const length = dx * dx + dy * dy
  const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length))
  return Math.hypot(x - ax - t * dx, y - ay - t * dy)
}

function crosses(
  ax: number,
  ay: number,
  bx: number,
  by: number,
  cx: number,
  cy: number,
  dx: number,
  dy: number,
): boolean {
  const side = (px: number, py: number, qx: number, qy: number, rx: number, ry: number) =>
    Math.sign((qx - px) * (ry - py) - (qy - py) * (rx - px))
  return (
    side(ax, ay, bx, by, cx, cy) !== side(ax, ay, bx, by, dx, dy) &&
    side(cx, cy, dx, dy, ax, ay) !== side(cx, cy, dx, dy, bx, by)
  )
}
