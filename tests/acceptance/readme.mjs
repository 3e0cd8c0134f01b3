// The samples of the repository's README are programs. They run here as they stand, but for the server's address.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startThexr, waitMsMax } from './support.mjs'

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
const samples = [...readme.matchAll(/^```js\n([^]*?)^```/gm)].map(([, code]) => code)

/** Runs a program until it ends or has said a line that `isEnough`. Gives what it said. */
function say(code, isEnough = () => false) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: waitMsMax,
      killSignal: 'SIGKILL',
    })
    let said = ''
    let enough = false
    child.stdout.on('data', (text) => {
      said += text
      enough ||= isEnough(said)
      if (enough) child.kill()
    })
    child.on('error', reject)
    child.on('close', (status, signal) =>
      status === 0 || enough ? resolve(said) : reject(new Error(`ended with ${status ?? signal}: ${said}`)),
    )
  })
}

test('the samples of the README do what they say', async (t) => {
  const server = await startThexr()
  t.after(() => server.stop())
  const here = (code) => {
    const moved = code.replaceAll('localhost:4000', new URL(server.url).host)
    assert.notEqual(moved, code)
    return moved
  }

  const [ours, stock, ...more] = samples
  assert.deepEqual(more, [], 'a sample that no test runs')
  assert.equal(await say(here(ours)), 'Ben meets Ada and sees a box\n')
  assert.match(await say(here(stock), (said) => said.includes('\n')), /^\[.*'lamp'.*\]\n$/s)
  await server.api('GET', '/spaces/lobby/entities/lamp/components/light')
})
