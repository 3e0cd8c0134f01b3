// The two canvases of a board. Below: committed ink, painted once and moved as a picture while the camera moves.
// Above: what changes every frame, which are the lines being drawn, here and by others, and the crosshair.
import type { Board, Point, Stroke } from '@thexr/client'
import { fitted, meets, panned, toBoard, union, zoomed, type Box, type Camera } from './camera.js'
import { paper, shown } from './colors.js'
import { inkOf, touches, type Ink } from './ink.js'

export interface Surface {
  readonly camera: Camera
  readonly size: { readonly width: number; readonly height: number }
  /** Strokes painted by the last repaint, for tests and the empty hint. */
  readonly inks: readonly Ink[]
  setBoard(board: Board): void
  setDark(dark: boolean): void
  setCamera(camera: Camera): void
  pan(dx: number, dy: number): void
  zoom(factor: number, x?: number, y?: number): void
  fit(): void
  /** The line being drawn, or null when the pen is up. */
  setWet(
    wet: { stroke: Pick<Stroke, 'id' | 'color' | 'size' | 'tool'>; points: readonly Point[] } | null,
  ): void
  /** Shows strokes faded while the eraser is still down. */
  setFaded(ids: ReadonlySet<string>): void
  setCrosshair(at: readonly [number, number] | null): void
  readonly crosshair: readonly [number, number] | null
  /** Hears of every move of the camera and of the crosshair. */
  onMove(fn: () => void): () => void
  hit(ax: number, ay: number, bx: number, by: number, reach: number): string[]
  destroy(): void
}

/** Above this many strokes a moving camera shows the last picture until it rests. */
const paintLive = 250
const restMs = 90

export function createSurface(
  base: HTMLCanvasElement,
  wetCanvas: HTMLCanvasElement,
  onCamera: (camera: Camera) => void,
): Surface {
  const below = base.getContext('2d')
  const above = wetCanvas.getContext('2d')
  if (!below || !above) throw new Error('This browser has no 2D canvas.')
  const picture = document.createElement('canvas')
  let pictureCamera: Camera | null = null
  let board: Board | null = null
  let cache = new Map<string, Ink>()
  let inks: Ink[] = []
  let camera: Camera = { x: 0, y: 0, zoom: 1 }
  let [width, height, ratio] = [1, 1, 1]
  let dark = false
  let wet: Parameters<Surface['setWet']>[0] = null
  let faded: ReadonlySet<string> = new Set()
  let crosshair: readonly [number, number] | null = null
  // Lines of others, made again only when they grow.
  const growing = new Map<string, Ink>()
  const followers = new Set<() => void>()
  let placed = false // the first view with content fits it
  let offs: (() => void)[] = []
  let frame = 0
  let todo = { paint: false, move: false, wet: false, read: false }
  let rest: ReturnType<typeof setTimeout> | undefined

  const ask = (what: Partial<typeof todo>) => {
    todo = { ...todo, ...what }
    frame ||= requestAnimationFrame(draw)
  }

  const place = (context: CanvasRenderingContext2D) => {
    const scale = camera.zoom * ratio
    context.setTransform(scale, 0, 0, scale, -camera.x * scale, -camera.y * scale)
  }

  const view = (): Box => ({
    left: camera.x,
    top: camera.y,
    right: camera.x + width / camera.zoom,
    bottom: camera.y + height / camera.zoom,
  })

  function fill(context: CanvasRenderingContext2D, ink: Ink) {
    context.fillStyle = shown(ink.stroke.color, dark)
    context.globalAlpha = faded.has(ink.stroke.id) ? 0.2 : ink.stroke.tool === 'marker' ? 0.45 : 1
    context.fill(ink.path)
  }

  function clear(context: CanvasRenderingContext2D) {
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.globalAlpha = 1
    context.clearRect(0, 0, context.canvas.width, context.canvas.height)
  }

  /** Reads the document. True when everything has to be painted again; a mere addition paints itself. */
  function read(): boolean {
    if (!board) return true
    const old = inks
    const fresh = new Map<string, Ink>()
    inks = []
    for (const stroke of board.strokes) {
      const ink = cache.get(stroke.id) ?? readInk(stroke)
      if (!ink) continue
      fresh.set(stroke.id, ink)
      inks.push(ink)
    }
    cache = fresh
    const grown = inks.length >= old.length && old.every((ink, index) => inks[index] === ink)
    if (!grown || !below) return true
    place(below)
    for (const ink of inks.slice(old.length)) fill(below, ink)
    if (inks.length > old.length) pictureCamera = null
    return false
  }

  function paint() {
    if (!below) return
    clear(below)
    place(below)
    const seen = view()
    for (const ink of inks) if (meets(ink.box, seen)) fill(below, ink)
    pictureCamera = null
  }

  /** Moves the last picture to where the camera is now. Cheap whatever the number of strokes. */
  function move() {
    if (!below) return
    if (inks.length <= paintLive) return paint()
    if (!pictureCamera) {
      picture.width = base.width
      picture.height = base.height
      picture.getContext('2d')?.drawImage(base, 0, 0)
      pictureCamera = lastPainted
    }
    const scale = camera.zoom / pictureCamera.zoom
    clear(below)
    below.setTransform(
      scale,
      0,
      0,
      scale,
      (pictureCamera.x - camera.x) * camera.zoom * ratio,
      (pictureCamera.y - camera.y) * camera.zoom * ratio,
    )
    below.drawImage(picture, 0, 0)
    clearTimeout(rest)
    rest = setTimeout(() => ask({ paint: true }), restMs)
  }
  let lastPainted: Camera = camera

  /** Lines others are drawing now. */
  function paintGrowing(context: CanvasRenderingContext2D) {
    let count = 0
    for (const stroke of board?.live.values() ?? []) {
      if (stroke.id === wet?.stroke.id) continue
      const ink = growing.get(stroke.id) ?? readInk(stroke, false)
      if (!ink) continue
      growing.set(stroke.id, ink)
      count++
      place(context)
      fill(context, ink)
    }
    wetCanvas.dataset.live = String(count)
  }

  function paintWet() {
    if (!above) return
    clear(above)
    paintGrowing(above)
    if (wet && wet.points.length > 0) {
      place(above)
      fill(above, inkOf(wet.stroke, wet.points, false))
    }
    if (crosshair) {
      const [x, y] = [(crosshair[0] - camera.x) * camera.zoom, (crosshair[1] - camera.y) * camera.zoom]
      above.setTransform(ratio, 0, 0, ratio, 0, 0)
      above.globalAlpha = 1
      for (const [color, line] of [
        [dark ? '#16181d' : '#ffffff', 4],
        [dark ? '#a5a5ff' : '#4a4ac4', 1.5],
      ] as const) {
        above.strokeStyle = color
        above.lineWidth = line
        above.beginPath()
        for (const [dx, dy] of [
          [1, 0],
          [-1, 0],
          [0, 1],
          [0, -1],
        ] as const) {
          above.moveTo(x + dx * 4, y + dy * 4)
          above.lineTo(x + dx * 14, y + dy * 14)
        }
        above.stroke()
      }
    }
  }

  function draw() {
    frame = 0
    const now = todo
    todo = { paint: false, move: false, wet: false, read: false }
    // An addition paints onto what is there, so the camera has to be where that was painted.
    const moved = lastPainted !== camera
    const again = now.read && (read() || moved)
    if (now.read && !placed && inks.length > 0 && width > 1) {
      placed = true
      const all = union(inks.map((ink) => ink.box))
      if (
        all &&
        !(
          all.left >= camera.x &&
          all.top >= camera.y &&
          all.right <= view().right &&
          all.bottom <= view().bottom
        )
      )
        surface.fit()
    }
    if (now.paint || again) {
      clearTimeout(rest)
      paint()
      lastPainted = camera
    } else if (now.move) {
      move()
      if (inks.length <= paintLive) lastPainted = camera
    }
    if (now.wet || now.paint || now.move || again) paintWet()
  }

  const observer = new ResizeObserver(() => {
    const next = base.getBoundingClientRect()
    if (next.width === 0) return
    const first = width === 1
    ;[width, height, ratio] = [next.width, next.height, Math.min(3, devicePixelRatio || 1)]
    for (const canvas of [base, wetCanvas]) {
      canvas.width = Math.round(width * ratio)
      canvas.height = Math.round(height * ratio)
    }
    if (first) surface.setCamera(fitted(null, width, height))
    ask({ paint: true, read: true })
  })
  observer.observe(base)

  const surface: Surface = {
    get camera() {
      return camera
    },
    get size() {
      return { width, height }
    },
    get inks() {
      return inks
    },
    setBoard(next) {
      offs.forEach((off) => off())
      // The same board at another moment: strokes do not change, and the camera stays where it is.
      const same = board?.id === next.id
      board = next
      if (!same) {
        cache = new Map()
        inks = []
        placed = false
      }
      const changed = () => ask({ read: true })
      growing.clear()
      const grown = (id: string) => {
        growing.delete(id)
        ask({ wet: true })
      }
      // The written line is told of before the drawn one goes, so both happen in one frame and nothing flashes.
      offs = [
        next.on('add', changed),
        next.on('remove', changed),
        next.on('live', (stroke) => grown(stroke.id)),
        next.on('idle', grown),
      ]
      ask({ read: true, paint: !same, wet: true })
    },
    setDark(next) {
      dark = next
      ask({ paint: true })
    },
    setCamera(next) {
      camera = next
      onCamera(next)
      for (const fn of followers) fn()
      ask({ move: true })
    },
    pan: (dx, dy) => surface.setCamera(panned(camera, dx, dy)),
    zoom: (factor, x = width / 2, y = height / 2) => surface.setCamera(zoomed(camera, factor, x, y)),
    fit: () => surface.setCamera(fitted(union(inks.map((ink) => ink.box)), width, height)),
    setWet(next) {
      wet = next
      ask({ wet: true })
    },
    setFaded(ids) {
      faded = ids
      ask({ paint: true })
    },
    setCrosshair(at) {
      crosshair = at
      for (const fn of followers) fn()
      ask({ wet: true })
    },
    get crosshair() {
      return crosshair
    },
    onMove(fn) {
      followers.add(fn)
      return () => void followers.delete(fn)
    },
    hit: (ax, ay, bx, by, reach) =>
      inks.filter((ink) => touches(ink, ax, ay, bx, by, reach)).map((ink) => ink.stroke.id),
    destroy() {
      observer.disconnect()
      offs.forEach((off) => off())
      cancelAnimationFrame(frame)
      clearTimeout(rest)
    },
  }
  return surface
}

/** Someone else may have stored bytes that are no stroke. One of those must not blank the board. */
export function readInk(stroke: Stroke, done = true): Ink | null {
  try {
    return stroke.points.length > 0 ? inkOf(stroke, stroke.points, done) : null
  } catch {
    return null
  }
}

export const atCentre = (surface: Surface): [number, number] =>
  toBoard(surface.camera, surface.size.width / 2, surface.size.height / 2)

/** Paints ink into a picture of its own. */
export function renderPicture(
  inks: readonly Ink[],
  scaleMax: number,
  sideMax: number,
  onDark = false,
): HTMLCanvasElement | null {
  const box = union(inks.map((ink) => ink.box))
  if (!box) return null
  const margin = 24
  const [w, h] = [box.right - box.left + 2 * margin, box.bottom - box.top + 2 * margin]
  const scale = Math.min(scaleMax, sideMax / Math.max(w, h))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(w * scale))
  canvas.height = Math.max(1, Math.round(h * scale))
  const context = canvas.getContext('2d')
  if (!context) return null
  context.fillStyle = onDark ? paper.dark : paper.light
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.setTransform(scale, 0, 0, scale, (margin - box.left) * scale, (margin - box.top) * scale)
  for (const ink of inks) {
    context.fillStyle = shown(ink.stroke.color, onDark)
    context.globalAlpha = ink.stroke.tool === 'marker' ? 0.45 : 1
    context.fill(ink.path)
  }
  return canvas
}
