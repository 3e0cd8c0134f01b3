// The sample of the repository's README is a program: it is taken out of it, pointed at a server of its own, and
// run by Node as it stands.
import { build } from 'esbuild'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from './support/server.js'

const here = dirname(fileURLToPath(import.meta.url))
const client = join(here, '..')

/** The fenced blocks of a language whose text holds `word`. */
const samples = (text: string, word: string): string[] =>
  [...text.matchAll(/```(?:js|ts)\n([\s\S]*?)```/g)].map((m) => m[1]!).filter((code) => code.includes(word))

test('the sample of the README shows what it says', async () => {
  const server = await startServer()
  onTestFinished(() => server.close())
  const [sample, ...more] = samples(await readFile(join(client, '../README.md'), 'utf8'), "'@thexr/client'")
  expect(more).toEqual([])
  const code = sample!.replace('http://localhost:4000', server.url)
  expect(code).not.toBe(sample)

  const outfile = join(client, 'node_modules/.cache/readme-sample.mjs')
  await build({
    stdin: { contents: code, resolveDir: client, loader: 'js' },
    alias: { '@thexr/client': join(client, 'src/index.ts') },
    bundle: true,
    external: ['ws'],
    format: 'esm',
    platform: 'node',
    outfile,
  })
  const { stdout } = await promisify(execFile)(process.execPath, [outfile], { timeout: 15_000 })
  expect(stdout).toBe('Ben sees a box\n')
})
