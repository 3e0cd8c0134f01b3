// Who makes a deleted space anew was told that this brings back what the browser kept of it.
import type { AppSpace } from './room.js'

/** Adopts the copy at most once: what is made anew after that is somebody else's doing. */
export function adoptOnce(space: Pick<AppSpace, 'on' | 'adopt'>): void {
  const off = space.on('status', (status) => {
    const replaced = status.state === 'closed' && status.error?.code === 'REPLACED'
    if (replaced || status.state === 'online') off()
    if (replaced) space.adopt()
  })
}
