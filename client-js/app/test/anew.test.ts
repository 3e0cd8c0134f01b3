// Regression: the page went on adopting for as long as the room was open.
import { expect, test, vi } from 'vitest'
import { adoptOnce } from '../src/space/anew.js'
import type { AppSpace } from '../src/space/room.js'

const fake = () => {
  const listeners = new Set<(status: unknown) => void>()
  const adopt = vi.fn()
  const on = (_: string, listener: (status: unknown) => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  adoptOnce({ on, adopt } as unknown as AppSpace)
  return { adopt, say: (status: unknown) => [...listeners].forEach((listener) => listener(status)) }
}
const replaced = { state: 'closed', error: { code: 'REPLACED' } }

test('the copy is adopted once', () => {
  const { adopt, say } = fake()
  say({ state: 'connecting', attempt: 1 })
  expect(adopt).not.toHaveBeenCalled()
  say(replaced)
  say(replaced)
  expect(adopt).toHaveBeenCalledTimes(1)
})

test('a space that was online is not adopted when somebody makes it anew later', () => {
  const { adopt, say } = fake()
  say({ state: 'online', rttMs: null })
  say(replaced)
  expect(adopt).not.toHaveBeenCalled()
})
