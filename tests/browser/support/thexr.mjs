// The real server as a child: it starts on a free port with a folder of its own, can be killed without a word, and
// comes back on the same port with the same data.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const startMsMax = 30_000
const bin = resolve(process.env.THEXR_BIN ?? join(import.meta.dirname, '../../../target/debug/thexr'))

/** What the admin endpoints of every server started here want. */
export const adminToken = 'a-token-that-only-tests-know-of-0123456789'

/** `more`: further arguments of the program. */
export async function startThexr(...more) {
  const data = await mkdtemp(join(tmpdir(), 'thexr-test-'))
  let child = null
  let url = ''

  async function start(listen) {
    const args = ['serve', '--listen', listen, '--data', data, '--admin-token', adminToken, ...more]
    const started = spawn(bin, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    })
    child = started
    let said = ''
    started.stderr.on('data', (text) => {
      said = (said + text).slice(-4000)
    })
    const { promise, resolve: listening, reject } = withResolvers()
    const late = setTimeout(() => {
      reject(new Error(`thexr did not listen within ${startMsMax} ms:\n${said}`))
      started.kill('SIGKILL')
    }, startMsMax)
    started.once('error', reject)
    started.once('exit', (code, signal) => reject(new Error(`thexr ended with ${code ?? signal}:\n${said}`)))
    createInterface(started.stdout).on('line', (line) => {
      const found = /listening on (http:\/\/\S+)/.exec(line)?.[1]
      if (found) listening(found)
    })
    try {
      url = await promise
    } finally {
      clearTimeout(late)
    }
  }

  async function kill() {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await gone
  }

  /** A request to the API; fails on any status but those of success. */
  async function api(method, path, body, headers = {}) {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  await start('127.0.0.1:0')
  return {
    get url() {
      return url
    },
    kill,
    restart: () => start(new URL(url).host),
    api,
    admin: (method, path) =>
      api(method, `/admin${path}`, undefined, { authorization: `Bearer ${adminToken}` }),
    stop: async () => {
      await kill()
      await rm(data, { recursive: true, force: true })
    },
  }
}

/** Node 20 has no Promise.withResolvers. */
function withResolvers() {
  let resolve, reject
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]))
  return { promise, resolve, reject }
}
