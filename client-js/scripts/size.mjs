// Fails when the package outgrows its budget. KiB = minified and gzipped, as a browser loads it.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url))
const budgets = [
  // The parts of lib0 that yjs brings along anyway are counted here too.
  { name: 'core without yjs', kib: 12, external: ['yjs'] },
  { name: 'core with yjs', kib: 35, external: [] },
]

let failed = false
for (const { name, kib, external } of budgets) {
  const { outputFiles } = await build({
    stdin: { contents: `export * from ${JSON.stringify(entry)}`, resolveDir: '.' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external,
    write: false,
  })
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length / 1024
  const over = size > kib
  failed ||= over
  console.log(`${over ? 'OVER' : 'ok'}  ${name}: ${size.toFixed(1)} KiB of ${kib}`)
}
if (failed) process.exit(1)
