// The map in motion: reads where everybody is once per frame, walks me, paints. Nothing of this is in the state of
// the page.
import type { Member } from '@thexr/client'
import { chosenName, colorOf, givenName, initialsOf, nameIn } from '../people/identity.js'
import type { AppSpace } from '../space/room.js'
import { labelOf, parentOf } from '../space/vocabulary.js'
import { readPlace, writePlace } from './place.js'
import { paintMap, type Dot, type Thing, type View } from './paint.js'
import { facingOf, poseOf, tapMetres, walk, wayTo, type Walker } from './walk.js'

export const scaleMin = 4
export const scaleMax = 160
const scaleFirst = 56
/** On a phone the same would show only who is beside me. */
const scaleFirstNarrow = 40
const narrow = 480
/** The server sends everything of who is nearer, and dots of the others. */
const nearMetres = 12
const thingsMax = 300
/** How often what is said of the places is renewed. */
const tellMs = 500
/** I stay this far from the edge, as a part of the window. */
const edge = 0.25

type AnyMember = Member<Record<string, unknown>>

export interface Engine {
  /** The same space at another moment: who looks stays where they were. */
  setSpace(space: AppSpace): void
  setDark(dark: boolean): void
  setSharp(sharp: boolean): void
  zoom(factor: number): void
  /** Shows everybody. */
  fit(): void
  /** The direction the keys want. A press that is new goes a step even if it is short. */
  steer(way: readonly [x: number, z: number], fresh: boolean): void
  /** A point on the canvas to walk to. `held` follows the pointer while the world moves below it. */
  point(at: readonly [x: number, y: number] | null, held: boolean): void
  /** Where I am, and who is near, in a sentence. */
  whereabouts(): string
  destroy(): void
}

interface Options {
  canvas: HTMLCanvasElement
  /** One element per member, told apart by `data-member`: what the map says to who cannot see it. */
  list: HTMLElement
  space: AppSpace
}

export function createEngine({ canvas, list, space: first }: Options): Engine {
  const found = canvas.getContext('2d')
  if (!found) throw new Error('This browser has no 2D canvas.')
  const c = found
  let space = first
  let { presence } = space
  let me: Walker = readPlace(space)
  /** Where I am, while I wander through the past. */
  let mine: Walker | null = space.past ? me : null
  let view: View = { x: me.x, z: me.z, scale: scaleFirst }
  let [width, height, ratio] = [0, 0, 1]
  let dark = false
  let sharp = false
  let way: readonly [number, number] = [0, 0]
  let owed = 0
  let target: readonly [number, number] | null = null
  let pointer: readonly [number, number] | null = null
  let things: Thing[] = []
  let stale = true
  let painted: number | null = null
  let toldAt = -Infinity
  let before = performance.now()
  let frame = requestAnimationFrame(step)
  // Members are replaced when they change, so what is read from one holds for its life.
  const readings = new WeakMap<object, Pick<Dot, 'name' | 'initials' | 'color'>>()

  const reading = (member: AnyMember) => {
    let known = readings.get(member)
    if (!known) {
      const name = nameIn(member.state)
      readings.set(member, (known = { name, initials: initialsOf(name), color: colorOf(member.userId) }))
    }
    return known
  }

  function dotsNow(now: number): Dot[] {
    const dots: Dot[] = []
    for (const member of presence.members.values()) {
      const pose = member.me ? poseOf(me) : presence.pose(member.id, now)
      if (!pose) continue
      const [x, , z] = pose.head.pos
      const hands = [pose.left, pose.right].flatMap((hand) =>
        hand ? [[hand.pos[0], hand.pos[2]] as const] : [],
      )
      dots.push({
        ...reading(member),
        x,
        z,
        hands,
        facing: facingOf(pose.head),
        me: member.me,
        // Without a connection everybody is away, but I know where I am.
        away: member.away && !member.me,
        far: !space.past && Math.max(Math.abs(x - me.x), Math.abs(z - me.z)) > nearMetres,
      })
    }
    // Until the server lets me in I am on no list, but I stand here all the same. In the past I do not.
    if (presence.me === null && !space.past) dots.push(alone())
    return dots
  }

  const alone = (): Dot => {
    const name = chosenName() ?? givenName()
    return {
      name,
      initials: initialsOf(name),
      color: colorOf(space.user),
      x: me.x,
      z: me.z,
      hands: [],
      facing: facingOf(poseOf(me).head),
      me: true,
      away: false,
      far: false,
    }
  }

  function thingsNow() {
    if (!stale) return
    stale = false
    things = []
    for (const entity of space.entities) {
      // The place of a child is relative to its parent, which a flat map does not follow.
      if (things.length >= thingsMax || parentOf(entity) !== undefined) continue
      const pos = (entity.live('transform') as { pos?: unknown } | undefined)?.pos
      const [x, , z] = Array.isArray(pos) ? (pos as unknown[]) : []
      if (typeof x === 'number' && typeof z === 'number') things.push({ x, z, name: labelOf(entity) })
    }
  }

  function move(now: number) {
    const seconds = (now - before) / 1000
    before = now
    if (pointer) target = toWorld(pointer)
    const steering = way[0] !== 0 || way[1] !== 0
    if (steering) target = null
    const old = me
    me = walk(me, { way: steering || owed > 0 ? lastWay : [0, 0], target, sharp }, seconds)
    const gone = Math.hypot(me.x - old.x, me.z - old.z)
    owed = Math.max(0, owed - gone)
    if (target && !pointer && Math.hypot(target[0] - me.x, target[1] - me.z) < 0.02) target = null
    if (gone === 0 && me.yaw === old.yaw) return
    presence.setPose(poseOf(me))
    writePlaceSoon()
    keepInView()
  }
  let lastWay: readonly [number, number] = [0, 0]

  let placeTimer: ReturnType<typeof setTimeout> | undefined
  const writePlaceSoon = () => {
    if (space.past) return
    placeTimer ??= setTimeout(() => {
      placeTimer = undefined
      writePlace(space, me)
    }, 300)
  }

  function keepInView() {
    const [mx, mz] = [(width * (0.5 - edge)) / view.scale, (height * (0.5 - edge)) / view.scale]
    const within = (middle: number, at: number, most: number) =>
      Math.min(at + most, Math.max(at - most, middle))
    view = { ...view, x: within(view.x, me.x, mx), z: within(view.z, me.z, mz) }
  }

  const toWorld = ([px, py]: readonly [number, number]): [number, number] => [
    view.x + (px - width / 2) / view.scale,
    view.z + (py - height / 2) / view.scale,
  ]

  const inView = ({ x, z }: Dot) =>
    Math.abs(x - view.x) < width / 2 / view.scale && Math.abs(z - view.z) < height / 2 / view.scale

  function fit() {
    const all = dotsNow(performance.now())
    const mine = space.past && all.length > 0 ? [] : [me]
    const [xs, zs] = [[...all, ...mine].map((each) => each.x), [...all, ...mine].map((each) => each.z)]
    const [left, right] = [Math.min(...xs), Math.max(...xs)]
    const [top, bottom] = [Math.min(...zs), Math.max(...zs)]
    const scale = Math.min((width - 96) / (right - left || 1), (height - 128) / (bottom - top || 1), 56)
    setView({ x: (left + right) / 2, z: (top + bottom) / 2, scale })
  }

  function step(now: number) {
    frame = requestAnimationFrame(step)
    move(now)
    if (width === 0) return
    const dots = dotsNow(now)
    if (unseen && dots.length > 0) {
      unseen = false
      if (!dots.some(inView)) fit()
    }
    thingsNow()
    const sum = sumOf(dots)
    if (sum !== painted) {
      painted = sum
      paintMap(c, { view, width, height, ratio, dark, dots, things, target: pointer ? null : target })
    }
    if (now - toldAt < tellMs) return
    toldAt = now
    tell(now)
  }

  /** The same sum, the same picture: a map on which nobody moves costs nothing to show. */
  function sumOf(dots: readonly Dot[]): number {
    let sum = 17
    const add = (value: number) => {
      sum = (Math.imul(sum, 31) + Math.round(value * 1000)) | 0
    }
    for (const value of [view.x, view.z, view.scale, width, height, ratio, Number(dark), redraws]) add(value)
    if (target) target.forEach(add)
    for (const dot of dots) {
      for (const value of [dot.x, dot.z, dot.facing?.[0] ?? 9, dot.facing?.[1] ?? 9]) add(value)
      for (const hand of dot.hands) hand.forEach(add)
    }
    return sum
  }
  /** Nobody of the past has been seen yet. */
  let unseen = space.past === true
  let redraws = 0
  const redraw = () => {
    redraws++
  }

  function tell(now: number) {
    for (const item of list.children) {
      const node = item as HTMLElement
      const member = presence.members.get(node.dataset.member ?? '')
      const pose = member && (member.me ? poseOf(me) : presence.pose(member.id, now))
      const [x, , z] = pose?.head.pos ?? []
      const text = !member
        ? ''
        : x === undefined || z === undefined
          ? `${nameIn(member.state)}: not on the map yet`
          : member.me
            ? `You: ${x.toFixed(1)} metres east, ${(-z).toFixed(1)} metres north of the middle`
            : `${nameIn(member.state)}${member.away ? ', away' : ''}: ${wayTo(me, x, z)}`
      if (node.textContent !== text) node.textContent = text
      if (x !== undefined && z !== undefined) [node.dataset.x, node.dataset.z] = [x.toFixed(2), z.toFixed(2)]
    }
  }

  const observer = new ResizeObserver(() => {
    const box = canvas.getBoundingClientRect()
    if (box.width === 0) return
    if (width === 0 && box.width < narrow) view = { ...view, scale: scaleFirstNarrow }
    ;[width, height, ratio] = [box.width, box.height, Math.min(3, devicePixelRatio || 1)]
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    keepInView()
    redraw()
  })
  observer.observe(canvas)
  const changed = () => {
    stale = true
    redraw()
  }
  const listen = () => [
    space.entities.on('add', changed),
    space.entities.on('remove', changed),
    space.entities.on('change', changed),
    presence.on('join', redraw),
    presence.on('leave', redraw),
    presence.on('update', redraw),
  ]
  let offs = listen()
  const setView = (next: View) => {
    view = { ...next, scale: Math.min(scaleMax, Math.max(scaleMin, next.scale)) }
  }

  return {
    setSpace: (next) => {
      if (next === space) return
      if (next.past && !space.past) mine = me
      if (!next.past && mine) [me, mine] = [mine, null]
      space = next
      presence = space.presence
      offs.forEach((off) => off())
      offs = listen()
      changed()
      toldAt = -Infinity
      unseen = next.past === true
    },
    setDark: (next) => {
      dark = next
    },
    setSharp: (next) => {
      sharp = next
    },
    zoom: (factor) => {
      setView({ ...view, scale: view.scale * factor })
      keepInView()
    },
    fit,
    steer: (next, fresh) => {
      way = next
      if (next[0] === 0 && next[1] === 0) return
      lastWay = next
      if (fresh) owed = tapMetres
    },
    point: (at, held) => {
      pointer = held ? at : null
      if (at) target = toWorld(at)
      owed = 0
    },
    whereabouts: () => {
      tell(performance.now())
      const lines = [...list.children].map((node) => node.textContent ?? '')
      return lines.length > 1 ? lines.slice(0, 6).join('. ') : `${lines.join('')}. You are alone here`
    },
    destroy: () => {
      cancelAnimationFrame(frame)
      clearTimeout(placeTimer)
      writePlace(space, mine ?? me)
      observer.disconnect()
      offs.forEach((off) => off())
    },
  }
}
