// What members say to each other: whose turn it is, and what is refused at the call.
import { describe, expect, test } from 'vitest'
import { createOutbox } from '../src/outbox.js'
import type { ThexrError } from '../src/index.js'
import { open } from './support/client.js'

describe('a burst of messages', () => {
  const byte = () => new Uint8Array(1)

  test('does not hold up a gesture, nor a gesture it', () => {
    const outbox = createOutbox()
    for (let i = 0; i < 200; i++) outbox.put('app:burst', String(i), byte)
    outbox.put('preview', 'box/transform', byte)
    const first = outbox.take(0).map(({ topic }) => topic)
    expect(first.slice(0, 3)).toEqual(['app:burst', 'preview', 'app:burst'])
    for (let i = 0; i < 50; i++) outbox.put('preview', String(i), byte)
    expect(outbox.take(50).map(({ topic }) => topic)[0]).toBe('app:burst')
  })

  test('gives way to a gesture when too much waits', () => {
    const outbox = createOutbox()
    for (let i = 0; i < 300; i++) outbox.put('app:burst', String(i), byte)
    const full = outbox.size
    outbox.put('preview', 'end', byte)
    expect(outbox.size).toBe(full)
    expect(outbox.take(0).some(({ key }) => key === 'end')).toBe(true)
  })
})

test('what cannot be said is refused at the call, with a reason', () => {
  const { presence } = open('http://127.0.0.1:9', 'lobby', { presence: {}, autoConnect: false })
  const wrong = (call: () => void, code: string) => {
    let error: unknown
    try {
      call()
    } catch (thrown) {
      error = thrown
    }
    expect((error as ThexrError).code).toBe(code)
  }
  const any = (value: unknown) => value as never
  wrong(() => presence.send('', 1), 'INVALID')
  wrong(() => presence.send('t', 1, any({ key: 'k' })), 'INVALID')
  wrong(() => presence.send('t', 1, 'k'.repeat(161)), 'INVALID')
  wrong(() => presence.send('t', 1n), 'INVALID')
  wrong(() => presence.send('t', 'x'.repeat(5000)), 'TOO_LARGE')
  wrong(() => presence.send('t'.repeat(61), 1), 'TOO_LARGE')
  wrong(() => presence.set(any(null)), 'INVALID')
  wrong(() => presence.set(any([1])), 'INVALID')
  wrong(() => presence.set({ x: 'y'.repeat(2000) }), 'TOO_LARGE')
  wrong(() => presence.setPose(any({})), 'INVALID')
  presence.send('t', undefined)
  presence.send('t', 1, 'k')
})
