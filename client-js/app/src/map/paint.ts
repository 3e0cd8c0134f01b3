// Paints the map: paper with a grid in metres, things, people. Knows nothing of spaces or time.
export interface View {
  /** What is in the middle, metres. */
  readonly x: number
  readonly z: number
  /** Pixels per metre. */
  readonly scale: number
}

export interface Dot {
  readonly x: number
  readonly z: number
  readonly facing: readonly [number, number] | null
  readonly hands: readonly (readonly [x: number, z: number])[]
  readonly name: string
  readonly initials: string
  readonly color: string
  readonly me: boolean
  readonly away: boolean
  /** Beyond the distance to which the server sends everything. */
  readonly far: boolean
}

export interface Thing {
  readonly x: number
  readonly z: number
  readonly name: string
}

export interface Scene {
  readonly view: View
  readonly width: number
  readonly height: number
  readonly ratio: number
  readonly dark: boolean
  readonly dots: readonly Dot[]
  readonly things: readonly Thing[]
  readonly target: readonly [number, number] | null
}

const looks = {
  light: { paper: '#ffffff', line: '#eceef2', strong: '#d5d8df', text: '#5b616d', ink: '#1b1d23' },
  dark: { paper: '#16181d', line: '#20232a', strong: '#323743', text: '#9ba2ae', ink: '#e8eaee' },
} as const
const font = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'

/** Names beyond this many only cover each other. */
const namesMax = 60

export const toScreen = ({ view, width, height }: Pick<Scene, 'view' | 'width' | 'height'>) => {
  const { x, z, scale } = view
  return (px: number, pz: number): [number, number] => [
    width / 2 + (px - x) * scale,
    height / 2 + (pz - z) * scale,
  ]
}

/** The next round number of metres that is at least `pixels` wide. */
export function roundMetres(scale: number, pixels: number): number {
  const least = pixels / scale
  const power = 10 ** Math.floor(Math.log10(least))
  return ([1, 2, 5, 10].find((each) => each * power >= least) ?? 10) * power
}

export function paintMap(c: CanvasRenderingContext2D, scene: Scene) {
  const { width, height, ratio, view } = scene
  const look = looks[scene.dark ? 'dark' : 'light']
  c.setTransform(ratio, 0, 0, ratio, 0, 0)
  c.globalAlpha = 1
  c.fillStyle = look.paper
  c.fillRect(0, 0, width, height)
  grid(c, scene, look.line, roundMetres(view.scale, 40))
  grid(c, scene, look.strong, roundMetres(view.scale, 40) * 5)
  const at = toScreen(scene)

  c.lineWidth = 1.5
  for (const thing of scene.things) {
    const [x, y] = at(thing.x, thing.z)
    if (outside(scene, x, y)) continue
    const half = Math.max(4, view.scale * 0.25)
    c.strokeStyle = look.text
    c.globalAlpha = 0.7
    c.beginPath()
    c.roundRect(x - half, y - half, 2 * half, 2 * half, 3)
    c.stroke()
    if (view.scale < 40) continue
    c.globalAlpha = 1
    label(c, thing.name, x, y + half + 12, look.text, look.paper, 11)
  }

  if (scene.target) {
    const [x, y] = at(...scene.target)
    c.globalAlpha = 1
    c.strokeStyle = look.text
    c.beginPath()
    c.arc(x, y, 5, 0, 2 * Math.PI)
    c.stroke()
  }

  const seen = scene.dots
    .map((dot) => ({ dot, at: at(dot.x, dot.z) }))
    .filter((each) => !outside(scene, ...each.at))
  // Far ones below near ones, and me above everybody.
  const rank = (dot: Dot) => (dot.me ? 2 : dot.far ? 0 : 1)
  seen.sort((a, b) => rank(a.dot) - rank(b.dot))
  const radius = Math.min(16, Math.max(9, view.scale * 0.26))
  for (const each of seen) person(c, each.dot, each.at, radius, view.scale, look.paper, look.ink)
  c.globalAlpha = 1
  names(c, seen.reverse(), radius, look)
  ruler(c, scene, look.text)
}

const outside = ({ width, height }: Scene, x: number, y: number) =>
  x < -60 || y < -60 || x > width + 60 || y > height + 60

function grid(c: CanvasRenderingContext2D, scene: Scene, color: string, step: number) {
  const { view, width, height } = scene
  const at = toScreen(scene)
  const [left, top] = [view.x - width / 2 / view.scale, view.z - height / 2 / view.scale]
  c.strokeStyle = color
  c.lineWidth = 1
  c.beginPath()
  for (let n = Math.ceil(left / step); n * step < left + width / view.scale; n++) {
    const x = Math.round(at(n * step, 0)[0]) + 0.5
    c.moveTo(x, 0)
    c.lineTo(x, height)
  }
  for (let n = Math.ceil(top / step); n * step < top + height / view.scale; n++) {
    const y = Math.round(at(0, n * step)[1]) + 0.5
    c.moveTo(0, y)
    c.lineTo(width, y)
  }
  c.stroke()
}

function person(
  c: CanvasRenderingContext2D,
  dot: Dot,
  [x, y]: [number, number],
  radius: number,
  scale: number,
  paper: string,
  ink: string,
) {
  c.globalAlpha = dot.away ? 0.4 : 1
  c.fillStyle = dot.color
  if (dot.far) {
    c.beginPath()
    c.arc(x, y, 4.5, 0, 2 * Math.PI)
    c.fill()
    return
  }
  if (dot.facing) {
    const angle = Math.atan2(dot.facing[1], dot.facing[0])
    if (!dot.away) {
      // What they see, roughly.
      const far = radius * 3.2
      const glow = c.createRadialGradient(x, y, radius, x, y, far)
      glow.addColorStop(0, `${dot.color}66`)
      glow.addColorStop(1, `${dot.color}00`)
      c.fillStyle = glow
      c.beginPath()
      c.moveTo(x, y)
      c.arc(x, y, far, angle - 0.6, angle + 0.6)
      c.fill()
      c.fillStyle = dot.color
    }
    // A nose, which shows the way where the glow is too faint.
    c.beginPath()
    for (const [turn, far] of [
      [-0.5, radius],
      [0, radius + 8],
      [0.5, radius],
    ] as const)
      c.lineTo(x + Math.cos(angle + turn) * far, y + Math.sin(angle + turn) * far)
    c.fill()
  }
  for (const [hx, hz] of dot.hands) {
    c.beginPath()
    c.arc(x + (hx - dot.x) * scale, y + (hz - dot.z) * scale, 3.5, 0, 2 * Math.PI)
    c.fill()
  }
  c.beginPath()
  c.arc(x, y, radius, 0, 2 * Math.PI)
  c.fill()
  c.lineWidth = 2
  c.strokeStyle = paper
  c.stroke()
  if (dot.me) {
    c.strokeStyle = ink
    c.beginPath()
    c.arc(x, y, radius + 2, 0, 2 * Math.PI)
    c.stroke()
  }
  c.fillStyle = '#ffffff'
  c.font = `600 ${Math.round(radius * 0.8)}px ${font}`
  c.textAlign = 'center'
  c.textBaseline = 'middle'
  c.fillText(dot.initials, x, y + 0.5)
}

function label(
  c: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  color: string,
  halo: string,
  size: number,
) {
  c.font = `500 ${size}px ${font}`
  c.textAlign = 'center'
  c.textBaseline = 'middle'
  c.lineJoin = 'round'
  c.lineWidth = 4
  c.strokeStyle = halo
  c.strokeText(text, x, y)
  c.fillStyle = color
  c.fillText(text, x, y)
}

/** Names as long as they fit, below or above: those first in the list win, and nobody's face is covered. */
function names(
  c: CanvasRenderingContext2D,
  seen: readonly { dot: Dot; at: [x: number, y: number] }[],
  radius: number,
  look: { paper: string; ink: string; text: string },
) {
  type Box = readonly [left: number, top: number, right: number, bottom: number]
  const taken: Box[] = seen.map(({ dot, at: [x, y] }) => {
    const r = dot.far ? 5 : radius
    return [x - r, y - r, x + r, y + r]
  })
  c.font = `500 12px ${font}`
  for (const { dot, at } of seen.slice(0, namesMax)) {
    const [x, y] = at
    const name = dot.me ? 'You' : dot.name.length > 20 ? `${dot.name.slice(0, 19)}…` : dot.name
    const text = dot.away ? `${name} (away)` : name
    const half = c.measureText(text).width / 2 + 2
    const reach = (dot.far ? 5 : radius) + 13
    for (const middle of [y + reach, y - reach]) {
      const box: Box = [x - half, middle - 7, x + half, middle + 7]
      if (taken.some(([l, t, r, b]) => box[0] < r && box[2] > l && box[1] < b && box[3] > t)) continue
      taken.push(box)
      label(c, text, x, middle, dot.far || dot.away ? look.text : look.ink, look.paper, 12)
      break
    }
  }
}

function ruler(c: CanvasRenderingContext2D, { view, height }: Scene, color: string) {
  const metres = roundMetres(view.scale, 64)
  const [x, y, long] = [16, height - 18, metres * view.scale]
  c.strokeStyle = color
  c.lineWidth = 1.5
  c.beginPath()
  c.moveTo(x, y - 5)
  c.lineTo(x, y)
  c.lineTo(x + long, y)
  c.lineTo(x + long, y - 5)
  c.stroke()
  c.fillStyle = color
  c.font = `500 11px ${font}`
  c.textAlign = 'left'
  c.textBaseline = 'alphabetic'
  c.fillText(`${metres} m`, x + 5, y - 5)
}
