// Bundles the page into a folder: `node app/build.mjs [outdir]`. Runs in the checkout (packages from
// ../node_modules) and inside cargo's OUT_DIR (packages from ./node_modules), and reads nothing else.
import { build } from 'esbuild'
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'

const app = dirname(fileURLToPath(import.meta.url))
const out = resolve(process.argv[2] ?? join(app, 'dist'))

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const { metafile } = await build({
  absWorkingDir: app,
  entryPoints: { app: 'src/main.tsx', style: 'src/css/style.css' },
  outdir: out,
  // A hash in the name lets the server say "immutable"; only index.html is asked for again.
  entryNames: 'assets/[name]-[hash]',
  chunkNames: 'assets/[name]-[hash]',
  alias: {
    '@thexr/client': resolve(app, '../src/index.ts'),
    'lib0/logging': resolve(app, 'src/plain-logging.ts'),
  },
  nodePaths: [join(app, 'node_modules'), resolve(app, '../node_modules')],
  tsconfigRaw: {
    compilerOptions: {
      jsx: 'react-jsx',
      jsxImportSource: 'preact',
      target: 'es2022',
      verbatimModuleSyntax: true,
    },
  },
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
})

let page = readFileSync(join(app, 'src/index.html'), 'utf8')
for (const file of Object.keys(metafile.outputs)) {
  const name = basename(file)
  for (const entry of ['app', 'style']) {
    if (name.startsWith(`${entry}-`)) page = page.replace(`/${entry}${extname(name)}`, `/assets/${name}`)
  }
}
writeFileSync(join(out, 'index.html'), page)
cpSync(join(app, 'public'), out, { recursive: true })

let total = 0
for (const file of readdirSync(out, { recursive: true, withFileTypes: true })) {
  if (!file.isFile()) continue
  const path = join(file.parentPath, file.name)
  const bytes = readFileSync(path)
  const packed = { gz: gzipSync(bytes, { level: 9 }), br: brotliCompressSync(bytes) }
  for (const [suffix, small] of Object.entries(packed)) {
    if (small.length < bytes.length) writeFileSync(`${path}.${suffix}`, small)
  }
  total += packed.gz.length
  console.log(
    `${relative(out, path)}  ${(bytes.length / 1024).toFixed(1)} KiB, ${(packed.gz.length / 1024).toFixed(1)} gzip, ${(packed.br.length / 1024).toFixed(1)} brotli`,
  )
}
console.log(`total ${(total / 1024).toFixed(1)} KiB gzip`)
