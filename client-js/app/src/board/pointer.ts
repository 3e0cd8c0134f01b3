// Pointers on the board: draw, erase, pan, pinch, wheel. Once a pen was seen, fingers only move the paper.
import type { Board, Point, StrokePen } from '@thexr/client'
import { toBoard } from './camera.js'
import type { Surface } from './surface.js'
import { tools } from './tools.js'

export interface PointerOptions {
  canvas: HTMLCanvasElement
  surface: Surface
  /** The board to draw on; makes its entity when there is none yet. Null when the space is read only. */
  begin: () => Board | null
  /** Wraps what changes the document. */
  commit: (write: () => void) => void
  failed: (error: unknown) => void
}

type Act =
  | { kind: 'none' }
  | { kind: 'draw'; pointer: number; pen: StrokePen; points: Point[]; style: { color: string; size: number } }
  | { kind: 'erase'; pointer: number; board: Board; hit: Set<string>; last: [number, number] }
  | { kind: 'pan'; pointer: number; x: number; y: number }
  | { kind: 'pinch'; a: number; b: number; x: number; y: number; distance: number }

/** A second finger within this many points turns a line into a pinch. */
const pinchPoints = 12
const eraserReachPx = 8

export function listenToPointers({ canvas, surface, begin, commit, failed }: PointerOptions): () => void {
  let act: Act = { kind: 'none' }
  let penSeen = false
  let spaceHeld = false
  const touches = new Map<number, [number, number]>()

  const at = (event: { clientX: number; clientY: number }): [number, number] => {
    const box = canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }

  function stop(keep: boolean) {
    const old = act
    act = { kind: 'none' }
    canvas.removeAttribute('data-act')
    try {
      if (old.kind === 'draw') {
        if (keep) commit(() => old.pen.end())
        else old.pen.cancel()
      }
      if (old.kind === 'erase' && keep && old.hit.size > 0) commit(() => old.board.erase(...old.hit))
    } catch (error) {
      failed(error)
    }
    if (old.kind === 'draw') surface.setWet(null)
    if (old.kind === 'erase') surface.setFaded(new Set())
  }

  function start(next: Act) {
    act = next
    canvas.setAttribute('data-act', next.kind)
  }

  function startPinch() {
    const [[a, p], [b, q]] = [...touches] as [[number, [number, number]], [number, [number, number]]]
    start({
      kind: 'pinch',
      a,
      b,
      x: (p[0] + q[0]) / 2,
      y: (p[1] + q[1]) / 2,
      distance: Math.hypot(p[0] - q[0], p[1] - q[1]),
    })
  }

  function down(event: PointerEvent) {
    if (event.pointerType === 'touch') {
      touches.set(event.pointerId, at(event))
      if (touches.size === 2 && (act.kind !== 'draw' || act.points.length < pinchPoints)) {
        stop(false)
        startPinch()
        return
      }
    }
    if (event.pointerType === 'pen') penSeen = true
    if (act.kind !== 'none') return
    canvas.setPointerCapture(event.pointerId)
    const { tool, color, size } = tools.get()
    const fingerPans = event.pointerType === 'touch' && penSeen
    if (event.button === 1 || spaceHeld || tool === 'hand' || fingerPans) {
      event.preventDefault()
      const [x, y] = at(event)
      start({ kind: 'pan', pointer: event.pointerId, x, y })
      return
    }
    const penEraser = event.pointerType === 'pen' && (event.buttons & 32) !== 0
    if (event.button !== 0 && !penEraser) return
    try {
      const board = begin()
      if (!board) return
      const here = toBoard(surface.camera, ...at(event))
      if (tool === 'eraser' || penEraser) {
        start({ kind: 'erase', pointer: event.pointerId, board, hit: new Set(), last: here })
        erase(here)
      } else {
        start({
          kind: 'draw',
          pointer: event.pointerId,
          pen: board.begin({ color, size }),
          points: [],
          style: { color, size },
        })
        line(event)
      }
    } catch (error) {
      stop(false)
      failed(error)
    }
  }

  function erase(here: [number, number]) {
    if (act.kind !== 'erase') return
    const found = surface.hit(...act.last, ...here, eraserReachPx / surface.camera.zoom)
    act.last = here
    const before = act.hit.size
    for (const id of found) act.hit.add(id)
    if (act.hit.size > before) surface.setFaded(new Set(act.hit))
  }

  function line(event: PointerEvent) {
    if (act.kind !== 'draw') return
    const [x, y] = toBoard(surface.camera, ...at(event))
    const pressure = event.pointerType === 'pen' && event.pressure > 0 ? event.pressure : 0.5
    const last = act.points.at(-1)
    // Less than half a pixel on the screen is noise.
    if (last && Math.hypot(x - last[0], y - last[1]) < 0.5 / surface.camera.zoom) return
    act.points.push([x, y, pressure])
    act.pen.append(x, y, pressure)
    surface.setWet({ stroke: { id: act.pen.id, tool: 'pen', ...act.style }, points: act.points })
  }

  function moved(event: PointerEvent) {
    if (touches.has(event.pointerId)) touches.set(event.pointerId, at(event))
    if (act.kind === 'pinch') {
      const [p, q] = [touches.get(act.a), touches.get(act.b)]
      if (!p || !q) return
      const [x, y, distance] = [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2, Math.hypot(p[0] - q[0], p[1] - q[1])]
      surface.pan(x - act.x, y - act.y)
      if (act.distance > 0) surface.zoom(distance / act.distance, x, y)
      act = { ...act, x, y, distance }
      return
    }
    if (act.kind === 'none' || act.pointer !== event.pointerId) return
    if (act.kind === 'pan') {
      const [x, y] = at(event)
      surface.pan(x - act.x, y - act.y)
      act = { ...act, x, y }
      return
    }
    const all = event.getCoalescedEvents?.() ?? []
    for (const each of all.length > 0 ? all : [event]) {
      if (act.kind === 'draw') line(each)
      else erase(toBoard(surface.camera, ...at(each)))
    }
  }

  function up(event: PointerEvent) {
    touches.delete(event.pointerId)
    if (act.kind === 'pinch') {
      if (event.pointerId === act.a || event.pointerId === act.b) stop(true)
    } else if (act.kind !== 'none' && act.pointer === event.pointerId) {
      stop(event.type !== 'pointercancel')
    }
  }

  function wheel(event: WheelEvent) {
    event.preventDefault()
    const [x, y] = at(event)
    // A wheel turns in whole steps; fingers on a trackpad glide in both directions.
    const steps = event.deltaMode !== 0 || (event.deltaX === 0 && Math.abs(event.deltaY) >= 80)
    if (event.ctrlKey || event.metaKey || (steps && !event.shiftKey)) {
      const unit = event.deltaMode === 1 ? 33 : 1
      surface.zoom(
        Math.exp(-Math.max(-120, Math.min(120, event.deltaY * unit)) * (steps ? 0.0018 : 0.01)),
        x,
        y,
      )
    } else surface.pan(-event.deltaX, -event.deltaY)
  }

  function key(event: KeyboardEvent) {
    if (event.code !== 'Space' || event.target !== canvas) return
    event.preventDefault()
    spaceHeld = event.type === 'keydown'
    canvas.toggleAttribute('data-space', spaceHeld)
  }
  const escape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || act.kind === 'none') return
    event.preventDefault()
    stop(false)
  }
  const blur = () => {
    spaceHeld = false
    canvas.removeAttribute('data-space')
  }
  const noMenu = (event: Event) => {
    if (act.kind !== 'none') event.preventDefault()
  }

  const listeners = new AbortController()
  const { signal } = listeners
  canvas.addEventListener('pointerdown', down, { signal })
  canvas.addEventListener('pointermove', moved, { signal })
  canvas.addEventListener('pointerup', up, { signal })
  canvas.addEventListener('pointercancel', up, { signal })
  canvas.addEventListener('lostpointercapture', up, { signal })
  canvas.addEventListener('wheel', wheel, { passive: false, signal })
  canvas.addEventListener('contextmenu', noMenu, { signal })
  canvas.addEventListener('keydown', key, { signal })
  canvas.addEventListener('keyup', key, { signal })
  canvas.addEventListener('blur', blur, { signal })
  document.addEventListener('keydown', escape, { capture: true, signal })
  return () => {
    stop(false)
    listeners.abort()
  }
}
