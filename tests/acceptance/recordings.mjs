// What the stories are played with: recordings in a file, or something of our own making where there is none.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** The lines of a file of gzipped JSON lines. */
const read = (path) => {
  const text = gunzipSync(readFileSync(path)).toString('utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** Strokes `{"color", "width", "points": [[x, y, pressure], …]}`: those of the file, or so many of our own. */
export const inkOf = (file, count) => (file ? read(file) : makeInk(count))

/** Samples `{"t": ms, "head": [x, y, z, qx, qy, qz, qw], "left", "right"}`: those of the file, or of so long a walk. */
export const motionOf = (file, ms) => (file ? read(file) : makeMotion(ms))

/** Loops and waves, the same ones on every run. */
function makeInk(count) {
  let seed = 1
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  return Array.from({ length: count }, () => {
    const [x, y, wide, turns] = [
      random() * 4000 - 2000,
      random() * 3000 - 1500,
      20 + random() * 300,
      0.5 + random() * 4,
    ]
    const points = Array.from({ length: 5 + Math.floor(random() * 120) }, (_, n) => {
      const angle = (n / 60) * turns
      return [x + wide * Math.cos(angle) + n, y + wide * Math.sin(angle), 0.2 + 0.6 * random()]
    })
    return {
      color: `#${Math.floor(random() * 0xffffff)
        .toString(16)
        .padStart(6, '0')}`,
      width: 1 + Math.floor(random() * 8),
      points,
    }
  })
}

/** Somebody walks, looks around and waves. */
function makeMotion(ms) {
  const turn = (angle) => [0, Math.sin(angle / 2), 0, Math.cos(angle / 2)]
  return Array.from({ length: Math.floor((ms * 90) / 1000) }, (_, n) => {
    const [t, s] = [(n * 1000) / 90, n / 90]
    const [x, z] = [s * 0.8, Math.sin(s) * 0.3]
    const wave = Math.sin(s * 6) * 0.2
    return {
      t,
      head: [x, 1.62 + Math.sin(s * 9) * 0.01, z, ...turn(Math.sin(s * 2))],
      left: [x - 0.25, 1.1, z - 0.2, ...turn(s)],
      right: [x + 0.3, 1.4 + wave, z - 0.35, 0.5, 0.5, -0.5, 0.5],
    }
  })
}

const joint = ([x, y, z, ...rot]) => ({ pos: [x, y, z], rot })
/** A sample as the client takes it. */
export const poseOf = (sample) => ({
  head: joint(sample.head),
  left: joint(sample.left),
  right: joint(sample.right),
})
