// Where the others point: their cursors over the board, and mine sent to them. Elements are moved by hand, once per
// frame, because nothing of this belongs into the state of the page.
import type { Member } from '@thexr/client'
import { colorOf, nameIn } from '../people/identity.js'
import type { AppSpace } from '../space/room.js'
import { toBoard } from './camera.js'
import type { Surface } from './surface.js'

const topic = 'cursor'
/** Below what presence sends of one thing in a second, with room for the line being drawn. */
const sendMs = 60
const stillMs = 5000
/** More cursors than this are a swarm. */
const cursorsMax = 60
/** Cursors glide to where they are told to be in about this. */
const glideMs = 45

interface Cursor {
  node: HTMLElement
  tag: HTMLElement
  x: number
  y: number
  toX: number
  toY: number
  timer: ReturnType<typeof setTimeout>
}

interface Options {
  canvas: HTMLCanvasElement
  layer: HTMLElement
  surface: Surface
  space: AppSpace
  boardId: string
}

/** What somebody sent, when it is a place on this board; null when they left it. */
function placeIn(data: unknown, boardId: string): [number, number] | null {
  const { b, x, y } = (data ?? {}) as { b?: unknown; x?: unknown; y?: unknown }
  if (b !== boardId || typeof x !== 'number' || typeof y !== 'number') return null
  return Math.abs(x) < 1e7 && Math.abs(y) < 1e7 ? [x, y] : null
}

export function showCursors({ canvas, layer, surface, space, boardId }: Options): () => void {
  const { presence } = space
  const cursors = new Map<string, Cursor>()
  const still = matchMedia('(prefers-reduced-motion: reduce)')
  let frame = 0
  let before = 0

  function remove(id: string) {
    const cursor = cursors.get(id)
    if (!cursor) return
    clearTimeout(cursor.timer)
    cursor.node.remove()
    cursors.delete(id)
  }

  function put(cursor: Cursor) {
    const { camera } = surface
    const [x, y] = [(cursor.x - camera.x) * camera.zoom, (cursor.y - camera.y) * camera.zoom]
    cursor.node.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`
  }

  function glide(now: number) {
    frame = 0
    const part = still.matches ? 1 : 1 - Math.exp(-Math.min(100, now - before) / glideMs)
    before = now
    let moving = false
    for (const cursor of cursors.values()) {
      const [dx, dy] = [cursor.toX - cursor.x, cursor.toY - cursor.y]
      const there = Math.hypot(dx, dy) * surface.camera.zoom < 0.5
      cursor.x += there ? dx : dx * part
      cursor.y += there ? dy : dy * part
      moving ||= !there
      put(cursor)
    }
    if (moving) ask()
  }
  const ask = () => {
    if (frame) return
    before = Math.max(before, performance.now() - 16)
    frame = requestAnimationFrame(glide)
  }

  function dress(cursor: Cursor, member: Member<Record<string, unknown>>) {
    cursor.node.style.setProperty('--who', colorOf(member.userId))
    cursor.tag.textContent = nameIn(member.state)
  }

  function make(member: Member<Record<string, unknown>>, x: number, y: number): Cursor {
    const node = document.createElement('div')
    node.className = 'cursor'
    node.dataset.testid = 'cursor'
    node.dataset.member = member.id
    // The arrow is drawn by the style sheet.
    const tag = document.createElement('span')
    tag.className = 'cursor-tag'
    node.append(tag)
    layer.append(node)
    const cursor: Cursor = { node, tag, x, y, toX: x, toY: y, timer: 0 as never }
    dress(cursor, member)
    cursors.set(member.id, cursor)
    return cursor
  }

  // --- theirs

  const offs = [
    presence.on('message', (heard, data, from) => {
      if (heard !== topic) return
      const at = placeIn(data, boardId)
      if (!at) return remove(from.id)
      let cursor = cursors.get(from.id)
      if (!cursor) {
        if (cursors.size >= cursorsMax) return
        cursor = make(from, ...at)
      }
      ;[cursor.toX, cursor.toY] = at
      clearTimeout(cursor.timer)
      cursor.timer = setTimeout(() => remove(from.id), stillMs)
      ask()
    }),
    presence.on('leave', (member) => remove(member.id)),
    presence.on('update', (member) => {
      const cursor = cursors.get(member.id)
      if (member.away) remove(member.id)
      else if (cursor) dress(cursor, member)
    }),
  ]

  // --- mine: the pointer, or the crosshair of the keyboard while there is none

  let pointer: [x: number, y: number] | null = null
  let mine: [number, number] | null = null
  let shown = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const send = () => {
    timer = undefined
    if (!mine && !shown) return
    shown = mine !== null
    const round = (value: number) => Math.round(value * 10) / 10
    presence.send(topic, mine ? { b: boardId, x: round(mine[0]), y: round(mine[1]) } : null)
    // The next one waits for its turn, and is then the newest.
    timer = setTimeout(() => {
      timer = undefined
      if (dirty) flush()
    }, sendMs)
    dirty = false
  }
  let dirty = false
  const flush = () => {
    if (timer === undefined) send()
    else dirty = true
  }
  const look = () => {
    const { crosshair, camera } = surface
    const next = pointer ? toBoard(camera, ...pointer) : crosshair && ([...crosshair] as [number, number])
    if (next?.[0] === mine?.[0] && next?.[1] === mine?.[1]) return
    mine = next
    flush()
  }
  const point = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect()
    pointer = [event.clientX - box.left, event.clientY - box.top]
    look()
  }
  const leave = () => {
    pointer = null
    look()
  }
  const offMove = surface.onMove(() => {
    for (const cursor of cursors.values()) put(cursor)
    look()
  })
  const lifted = (event: PointerEvent) => {
    // A finger that is lifted points nowhere.
    if (event.pointerType === 'touch') leave()
  }

  const listeners = new AbortController()
  const { signal } = listeners
  canvas.addEventListener('pointermove', point, { signal })
  canvas.addEventListener('pointerdown', point, { signal })
  canvas.addEventListener('pointerleave', leave, { signal })
  canvas.addEventListener('pointerup', lifted, { signal })
  canvas.addEventListener('pointercancel', leave, { signal })
  return () => {
    listeners.abort()
    clearTimeout(timer)
    if (shown) presence.send(topic, null)
    cancelAnimationFrame(frame)
    offMove()
    offs.forEach((off) => off())
    for (const id of [...cursors.keys()]) remove(id)
  }
}
