// Where I stand when I come into a space: where I was before a reload, else somewhere near the middle. Everybody
// has a place from the start, also who never opens the map, so that the map shows who is here.
import type { AppSpace } from '../space/room.js'
import { poseOf, worldEnd, type Walker } from './walk.js'

const keyOf = (space: AppSpace) => `thexr:place:${space.id}`

export function readPlace(space: AppSpace): Walker {
  try {
    const [x, z, yaw] = JSON.parse(sessionStorage.getItem(keyOf(space)) ?? '[]') as unknown[]
    if ([x, z, yaw].every((each) => typeof each === 'number' && Math.abs(each) <= worldEnd))
      return { x: x as number, z: z as number, yaw: yaw as number, vx: 0, vz: 0 }
  } catch {
    // Storage is off, or somebody wrote into it.
  }
  // In a ring, so that people stand apart and look at each other.
  const [angle, far] = [Math.random() * 2 * Math.PI, 1.5 + Math.random() * 3]
  const [x, z] = [Math.sin(angle) * far, Math.cos(angle) * far]
  return { x, z, yaw: angle, vx: 0, vz: 0 }
}

export function writePlace(space: AppSpace, { x, z, yaw }: Walker): void {
  try {
    sessionStorage.setItem(keyOf(space), JSON.stringify([x, z, yaw]))
  } catch {
    // Then a reload puts me somewhere else.
  }
}

export function enterPlace(space: AppSpace): void {
  const place = readPlace(space)
  writePlace(space, place)
  space.presence.setPose(poseOf(place))
}
