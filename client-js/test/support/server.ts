// The server most tests talk to: the real `thexr` of THEXR_BIN, or on a developer's machine without it the
// interop peer. In CI the real one is required.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createPeer } from './peer.js'

export interface Server {
  readonly url: string
  /** Dies without a word. */
  kill(): Promise<void>
  /** Comes back on the same port with the same data. */
  restart(): Promise<void>
  close(): Promise<void>
}

const bin = process.env['THEXR_BIN']
if (!bin && process.env['CI']) throw new Error('THEXR_BIN must name the thexr binary when CI is set')

const startThexr = async (bin: string, flags: readonly string[]): Promise<Server> => {
  const data = await mkdtemp(join(tmpdir(), 'thexr-client-test-'))
  let child: ChildProcess | null = null
  let url = ''
  const start = async (listen: string) => {
    const started = spawn(bin, ['serve', '--listen', listen, '--data', data, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    })
    child = started
    let said = ''
    started.stderr.on('data', (text: Buffer) => (said += text.toString()))
    url = await new Promise<string>((resolve, reject) => {
      started.on('error', reject)
      started.on('exit', (code) => reject(new Error(`thexr ended with ${code}:\n${said}`)))
      createInterface(started.stdout).on('line', (line) => {
        said += `${line}\n`
        const found = /listening on (http:\/\/[\d.]+:\d+)/.exec(line)?.[1]
        if (found) resolve(found)
      })
    })
  }
  const kill = async () => {
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    child?.kill('SIGKILL')
    await ended
  }
  await start('127.0.0.1:0')
  return {
    get url() {
      return url
    },
    kill,
    restart: () => start(new URL(url).host),
    close: async () => {
      if (child && child.exitCode === null && child.signalCode === null) await kill()
      await rm(data, { recursive: true, force: true })
    },
  }
}

const startPeer = async (): Promise<Server> => {
  const peer = await createPeer({ acks: true })
  return {
    get url() {
      return peer.url
    },
    kill: peer.stop,
    restart: peer.start,
    close: () => peer.stop().catch(() => {}),
  }
}

export const startServer = (): Promise<Server> => (bin ? startThexr(bin, []) : startPeer())

/** The real one with flags of its own; null without THEXR_BIN, because no other server has them. */
export const startThexrWith = (...flags: string[]): Promise<Server> | null =>
  bin ? startThexr(bin, flags) : null
