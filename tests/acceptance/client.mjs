// Puts @thexr/client here as people get it: built, packed and unpacked, beside the one yjs of this folder.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const client = join(import.meta.dirname, '../../client-js')
const to = join(import.meta.dirname, 'node_modules/@thexr/client')
const npm = (...args) =>
  execFileSync('npm', ['--silent', '--prefix', client, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })

if (!existsSync(join(client, 'node_modules'))) npm('ci', '--ignore-scripts')
npm('run', 'build')
const folder = mkdtempSync(join(tmpdir(), 'thexr-pack-'))
execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
  cwd: client,
  stdio: ['ignore', 'ignore', 'inherit'],
})
rmSync(to, { recursive: true, force: true })
mkdirSync(to, { recursive: true })
execFileSync('sh', ['-c', 'tar -xzf "$1"/*.tgz -C "$2" --strip-components=1', 'sh', folder, to])
rmSync(folder, { recursive: true })
