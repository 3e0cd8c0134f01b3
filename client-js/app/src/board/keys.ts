// The board without a pointer: a crosshair that arrows move and Enter draws with, and the keys of the tools.
import type { Board, Point, StrokePen } from '@thexr/client'
import { isTyping } from '../ui/shortcuts.js'
import { say } from '../ui/voice.js'
import { palette } from './colors.js'
import { atCentre, type Surface } from './surface.js'
import { pick, resize, tools } from './tools.js'

interface KeyOptions {
  canvas: HTMLCanvasElement
  surface: Surface
  begin: () => Board | null
  commit: (write: () => void) => void
  failed: (error: unknown) => void
}

const stepPx = 8
const farPx = 48
const ways: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

export function listenToKeys({ canvas, surface, begin, commit, failed }: KeyOptions): () => void {
  let cross: [number, number] | null = null
  let pen: StrokePen | null = null
  let points: Point[] = []
  let style = { color: '', size: 4 }

  function lift(keep: boolean) {
    const old = pen
    if (!old) return
    try {
      if (keep) commit(() => old.end())
      else old.cancel()
    } catch (error) {
      failed(error)
    }
    pen = null
    points = []
    surface.setWet(null)
    say(keep ? 'Line drawn.' : 'Line dropped.')
  }
  function mark() {
    if (!pen || !cross) return
    points.push([cross[0], cross[1], 0.5])
    pen.append(cross[0], cross[1], 0.5)
    surface.setWet({ stroke: { id: pen.id, tool: 'pen', ...style }, points })
  }
  function enter() {
    cross ??= atCentre(surface)
    surface.setCrosshair(cross)
    if (pen) return lift(true)
    try {
      const board = begin()
      if (!board) return
      if (tools.get().tool === 'eraser') {
        const found = surface.hit(...cross, ...cross, 8 / surface.camera.zoom)
        if (found.length > 0) commit(() => board.erase(...found))
        say(found.length === 0 ? 'Nothing here to erase.' : `${found.length} erased.`)
        return
      }
      style = { color: tools.get().color, size: tools.get().size }
      pen = board.begin(style)
      mark()
      say('Pen down.')
    } catch (error) {
      failed(error)
    }
  }
  function step(event: KeyboardEvent, [dx, dy]: readonly [number, number]) {
    const far = event.shiftKey ? farPx : stepPx
    if (event.altKey) return surface.pan(-dx * farPx, -dy * farPx)
    cross ??= atCentre(surface)
    cross = [cross[0] + (dx * far) / surface.camera.zoom, cross[1] + (dy * far) / surface.camera.zoom]
    surface.setCrosshair(cross)
    follow(cross)
    mark()
  }
  /** Keeps the crosshair on the screen. */
  function follow([x, y]: readonly [number, number]) {
    const { camera, size } = surface
    const [sx, sy] = [(x - camera.x) * camera.zoom, (y - camera.y) * camera.zoom]
    const over = (at: number, most: number) => (at < 40 ? 40 - at : at > most - 40 ? most - 40 - at : 0)
    const [px, py] = [over(sx, size.width), over(sy, size.height)]
    if (px !== 0 || py !== 0) surface.pan(px, py)
  }

  /** Keys that mean something only while the board has the focus. */
  const onCanvas = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey) return
    const way = ways[event.key]
    if (way) step(event, way)
    else if (event.key === 'Enter') enter()
    else if (event.key === 'Escape' && (pen || cross)) {
      if (pen) lift(false)
      else {
        cross = null
        surface.setCrosshair(null)
      }
    } else return
    event.preventDefault()
  }
  /** Keys of the tools work from everywhere but fields, menus and the tree. */
  const onPage = (event: KeyboardEvent) => {
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isTyping(event) ||
      document.querySelector('dialog[open]')
    )
      return
    const color = palette[Number(event.key) - 1]
    const acts: Record<string, () => void> = {
      p: () => pick({ tool: 'pen' }),
      e: () => pick({ tool: 'eraser' }),
      h: () => pick({ tool: 'hand' }),
      '[': () => resize(-1),
      ']': () => resize(1),
      '+': () => surface.zoom(1.25),
      '=': () => surface.zoom(1.25),
      '-': () => surface.zoom(0.8),
      '0': () => surface.fit(),
    }
    const act = color ? () => pick({ color: color.color, tool: 'pen' }) : acts[event.key.toLowerCase()]
    if (!act) return
    event.preventDefault()
    act()
    if (color) say(color.name)
  }
  const onBlur = () => {
    lift(true)
    surface.setCrosshair(null)
  }
  const onFocus = () => {
    if (cross) surface.setCrosshair(cross)
  }

  const listeners = new AbortController()
  const { signal } = listeners
  canvas.addEventListener('keydown', onCanvas, { signal })
  canvas.addEventListener('blur', onBlur, { signal })
  canvas.addEventListener('focus', onFocus, { signal })
  document.addEventListener('keydown', onPage, { signal })
  return () => {
    lift(false)
    listeners.abort()
  }
}
