// Fails when the package outgrows its budget. KiB = minified and gzipped, as a browser loads it.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const file = (path) => fileURLToPath(new URL(path, import.meta.url))
const entry = file('../src/index.ts')

const REPLAY = /^out\/replay-/

const budgets = [
  // What a page loads before it can show and edit a document. 12 became 15 with presence: of it only the face
  // is here, and gestures, whose previews work without a server. The parts of lib0 that yjs brings along
  // anyway are counted here too. The last half is what tells one history of a space from another. A quarter
  // of a KiB, here and there, is that a replay uses some of the same files.
  { name: 'core without yjs', kib: 15.5, external: ['yjs'] },
  { name: 'core with yjs', kib: 36.75, external: [] },
  // Loaded beside the core when the space connects, and not at all with `presence: false`.
  {
    name: 'presence and more, on demand',
    kib: 9.25,
    external: ['yjs'],
    onDemand: (path) => !REPLAY.test(path),
  },
  // And by the first space.replay(): beside what presence has loaded already.
  { name: 'replay, on demand', kib: 5, external: ['yjs'], onDemand: (path) => REPLAY.test(path) },
]

/** Sizes of what `start` loads at once, and of what it loads later. */
const sizes = (outputs, files, onDemand = () => true) => {
  const size = (path) => gzipSync(files.get(path), { level: 9 }).length / 1024
  const reach = (path, seen = new Set()) => {
    if (seen.has(path)) return seen
    seen.add(path)
    for (const { path: next, kind, external } of outputs[path].imports)
      if (kind === 'import-statement' && !external) reach(next, seen)
    return seen
  }
  const [start] = Object.keys(outputs).filter((path) => outputs[path].entryPoint?.endsWith('src/index.ts'))
  const atOnce = reach(start)
  const sum = (paths) => paths.reduce((total, path) => total + size(path), 0)
  return {
    atOnce: sum([...atOnce]),
    later: sum(Object.keys(outputs).filter((path) => !atOnce.has(path) && onDemand(path))),
  }
}

let failed = false
for (const { name, kib, external, onDemand } of budgets) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: file('..'),
    entryPoints: [entry],
    outdir: 'out',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external,
    // yjs uses lib0/logging for three warnings, and with it come 9 kB of colours and a schema validator. Our page
    // leaves them out, and README says how.
    alias: { 'lib0/logging': file('../app/src/plain-logging.ts') },
    metafile: true,
    write: false,
  })
  const root = file('..')
  const files = new Map(outputFiles.map(({ path, contents }) => [path.slice(root.length), contents]))
  const { atOnce, later } = sizes(metafile.outputs, files, onDemand)
  const size = onDemand ? later : atOnce
  const over = size > kib
  failed ||= over
  console.log(`${over ? 'OVER' : 'ok'}  ${name}: ${size.toFixed(1)} KiB of ${kib}`)
}
if (failed) process.exit(1)
