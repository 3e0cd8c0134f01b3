// Spaces that end with their test, and waiting for what a test is about.
import { onTestFinished } from 'vitest'
import WebSocketClass from 'ws'
import { connect } from '../../src/index.js'
import type { Options, Schema, Space } from '../../src/index.js'

/** A schema whose values are as free as JSON. */
export type Free = Schema<Record<string, unknown>, Record<string, unknown>>

export const NodeSocket = WebSocketClass as unknown as typeof WebSocket

let spaces = 0
export const freshName = (): string => `test-${process.pid}-${++spaces}`

/** Without a presence socket: the stock peer has no /presence, and most tests are about one socket's troubles. */
export const open = (url: string, name: string, options: Options<Free> = {}): Space<Free> => {
  const space = connect<Free>(url, name, {
    WebSocket: NodeSocket,
    offline: false,
    presence: false,
    ...options,
  })
  onTestFinished(() => space.destroy({ flush: 0 }))
  return space
}

/** Polls, because what is waited for is a state of two machines and not one event. */
export const until = async (holds: () => unknown, what: string, ms = 5000): Promise<void> => {
  const end = performance.now() + ms
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const nextStatus = (space: Space<Free>, state: string): Promise<number> => {
  const from = performance.now()
  return new Promise((resolve) => {
    const off = space.on('status', (status) => {
      if (status.state !== state) return
      off()
      resolve(performance.now() - from)
    })
  })
}
