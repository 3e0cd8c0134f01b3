// A TCP proxy that can stop forwarding without closing anything: the silent link of a dead Wi-Fi.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface Proxy {
  readonly url: string
  /** Stop, or go on, forwarding in both directions. New connections are taken and left waiting too. */
  freeze(frozen: boolean): void
  close(): Promise<void>
}

export const createProxy = async (target: string, at = 0): Promise<Proxy> => {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let frozen = false
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', (data) => to.write(data))
      if (frozen) from.pause()
    }
  })
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze: (on) => {
      frozen = on
      for (const socket of sockets) {
        if (on) socket.pause()
        else socket.resume()
      }
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
