// What part of the endless board is on the screen. Board units are CSS pixels at zoom 1.
export interface Camera {
  /** Board point at the top left corner. */
  readonly x: number
  readonly y: number
  readonly zoom: number
}

export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

export const zoomMin = 0.1
export const zoomMax = 8

export const toBoard = (camera: Camera, x: number, y: number): [number, number] => [
  camera.x + x / camera.zoom,
  camera.y + y / camera.zoom,
]

export const panned = (camera: Camera, dx: number, dy: number): Camera => ({
  ...camera,
  x: camera.x - dx / camera.zoom,
  y: camera.y - dy / camera.zoom,
})

/** Zooms and keeps the board point under (x, y) where it is. */
export function zoomed(camera: Camera, factor: number, x: number, y: number): Camera {
  const zoom = Math.min(zoomMax, Math.max(zoomMin, camera.zoom * factor))
  const [bx, by] = toBoard(camera, x, y)
  return { x: bx - x / zoom, y: by - y / zoom, zoom }
}

/** Shows all of `box` with a margin, never closer than life size. */
export function fitted(box: Box | null, width: number, height: number): Camera {
  if (!box) return { x: -width / 2, y: -height / 2, zoom: 1 }
  const margin = 48
  const [w, h] = [box.right - box.left || 1, box.bottom - box.top || 1]
  const zoom = Math.min(1, Math.max(zoomMin, Math.min((width - 2 * margin) / w, (height - 2 * margin) / h)))
  return {
    zoom,
    x: (box.left + box.right) / 2 - width / 2 / zoom,
    y: (box.top + box.bottom) / 2 - height / 2 / zoom,
  }
}

export const meets = (a: Box, b: Box): boolean =>
  a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top

export function union(boxes: Iterable<Box>): Box | null {
  let all: Box | null = null
  for (const box of boxes) {
    all =
      all === null
        ? box
        : {
            left: Math.min(all.left, box.left),
            top: Math.min(all.top, box.top),
            right: Math.max(all.right, box.right),
            bottom: Math.max(all.bottom, box.bottom),
          }
  }
  return all
}
