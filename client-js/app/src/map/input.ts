// Hands on the map: keys walk, a pointer is walked to, two fingers and the wheel zoom.
import { say } from '../ui/voice.js'
import type { Engine } from './engine.js'

const ways: Record<string, readonly [number, number]> = {
  arrowleft: [-1, 0],
  arrowright: [1, 0],
  arrowup: [0, -1],
  arrowdown: [0, 1],
  a: [-1, 0],
  d: [1, 0],
  w: [0, -1],
  s: [0, 1],
}

export function listenToMap(canvas: HTMLCanvasElement, engine: Engine): () => void {
  const held = new Set<string>()
  const fingers = new Map<number, [number, number]>()
  let pinched = 0

  const steer = (fresh: boolean) => {
    let [x, z] = [0, 0]
    for (const key of held) {
      x += ways[key]?.[0] ?? 0
      z += ways[key]?.[1] ?? 0
    }
    engine.steer([Math.sign(x), Math.sign(z)], fresh)
  }
  const keydown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const key = event.key.toLowerCase()
    const acts: Record<string, () => void> = {
      '+': () => engine.zoom(1.25),
      '=': () => engine.zoom(1.25),
      '-': () => engine.zoom(0.8),
      '0': () => engine.fit(),
      enter: () => say(engine.whereabouts()),
    }
    if (ways[key]) {
      held.add(key)
      if (!event.repeat) steer(true)
    } else if (acts[key]) acts[key]()
    else return
    event.preventDefault()
  }
  const keyup = (event: KeyboardEvent) => {
    // With Shift pressed in between the same key has another case.
    if (held.delete(event.key.toLowerCase())) steer(false)
  }
  const blur = () => {
    held.clear()
    steer(false)
  }

  const at = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  const spread = () => {
    const [a, b] = [...fingers.values()]
    return a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0
  }
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    fingers.set(event.pointerId, at(event))
    if (fingers.size === 1) engine.point(at(event), true)
    else {
      engine.point(null, false)
      pinched = spread()
    }
  }
  const moved = (event: PointerEvent) => {
    if (!fingers.has(event.pointerId)) return
    fingers.set(event.pointerId, at(event))
    if (fingers.size === 1 && pinched === 0) engine.point(at(event), true)
    else if (fingers.size === 2) {
      const next = spread()
      if (pinched > 0 && next > 0) engine.zoom(next / pinched)
      pinched = next
    }
  }
  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId)) return
    // Lifted where it was pressed or dragged: go there. A cancelled touch goes nowhere.
    if (fingers.size === 0 && pinched === 0) {
      engine.point(event.type === 'pointerup' ? at(event) : null, false)
    }
    if (fingers.size === 0) pinched = 0
  }
  const wheel = (event: WheelEvent) => {
    event.preventDefault()
    engine.zoom(
      Math.exp(-Math.max(-120, Math.min(120, event.deltaY * (event.deltaMode === 1 ? 33 : 1))) * 0.002),
    )
  }

  const listeners = new AbortController()
  const { signal } = listeners
  canvas.addEventListener('keydown', keydown, { signal })
  canvas.addEventListener('keyup', keyup, { signal })
  canvas.addEventListener('blur', blur, { signal })
  canvas.addEventListener('pointerdown', down, { signal })
  canvas.addEventListener('pointermove', moved, { signal })
  canvas.addEventListener('pointerup', up, { signal })
  canvas.addEventListener('pointercancel', up, { signal })
  canvas.addEventListener('lostpointercapture', up, { signal })
  canvas.addEventListener('wheel', wheel, { passive: false, signal })
  return () => listeners.abort()
}
