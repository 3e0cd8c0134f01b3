import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ageOf, isNear, packPose, recordLength, unpackPose } from '../src/pose-wire.js'
import type { PoseFrame } from '../src/pose-wire.js'
import {
  byeFrame,
  bytesOf,
  helloFrame,
  hexOf,
  pingFrame,
  poseFrame,
  rackFrame,
  readPresence,
  sayFrame,
  stateFrame,
  viewFrame,
} from '../src/presence-wire.js'
import type { Pose } from '../src/index.js'

interface Case {
  name: string
  direction: 'up' | 'down'
  hex: string
  value: Record<string, unknown> & { kind: string }
}

/** Written by schema/tests/presence.rs from the Rust codec. */
const file = new URL('../../schema/fixtures/presence.json', import.meta.url)
const cases: Case[] = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] }).cases
  : []
const of = (direction: string) => cases.filter((one) => one.direction === direction)

const plain: PoseFrame = { origin: [0, 0, 0], scale: 1 }
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const read = (bytes: Uint8Array) => [...readPresence(bytes, () => plain)]

/** Equal but for what f32 cannot hold. */
const expectNear = (got: unknown, want: unknown, path: string): void => {
  if (typeof want === 'number' && !Number.isInteger(want)) {
    expect(Math.abs((got as number) - want), path).toBeLessThan(1e-4)
  } else if (typeof want === 'object' && want !== null) {
    expect(Object.keys(got as object).sort(), path).toEqual(Object.keys(want).sort())
    for (const [key, value] of Object.entries(want))
      expectNear((got as Record<string, unknown>)[key], value, `${path}.${key}`)
  } else if (typeof want === 'number') expect(got, path).toBeCloseTo(want, 4)
  else expect(got, path).toEqual(want)
}

const written = (value: any): Uint8Array => {
  switch (value.kind) {
    case 'hello':
      return helloFrame({ ...value, token: value.token === null ? null : bytesOf(value.token) })
    case 'pose':
      return poseFrame(value.seq, value.t, packPose(value.pose, plain))
    case 'view':
      return viewFrame(value.zone, value.focus, value.budget)
    case 'ping':
      return pingFrame(value.id, value.t0)
    case 'rack':
      return rackFrame(value.tick, value.age)
    case 'bye':
      return byeFrame()
    case 'state':
      return stateFrame(value.state)
    case 'say':
      return sayFrame(value.topic, value.key, bytesOf(value.data))
    default:
      throw new Error(`no encoder for ${value.kind}`)
  }
}

describe('what a client says is written as Rust writes it (SPEC M3, M6)', () => {
  for (const { name, hex, value } of of('up')) test(name, () => expect(hexOf(written(value))).toBe(hex))

  test('records read back to the pose that Rust reads', () => {
    for (const { name, value } of of('up')) {
      if (value.kind !== 'pose') continue
      const bytes = bytesOf(value['record'] as string)
      expect(recordLength(bytes[0]!)).toBe(bytes.length)
      expectNear(unpackPose(viewOf(bytes), plain), value['decoded'], name)
    }
  })
})

describe('what the server says is read as Rust reads it (SPEC M5–M7)', () => {
  for (const { name, hex, value } of of('down'))
    test(name, () => {
      const [down, ...more] = read(bytesOf(hex))
      expect(more).toEqual([])
      if (!down) throw new Error('nothing read')
      if (down.kind === 'said') {
        const said = down.said.map((one) => ({ ...one, data: hexOf(one.data) }))
        return expect({ ...down, said }).toEqual(value)
      }
      if (down.kind !== 'tick') return expect(down).toEqual(value)
      const dots = (value['dots'] as { handle: number; pos: number[]; yaw: number }[]).map((dot) => ({
        handle: dot.handle,
        joint: { pos: dot.pos, rot: [0, Math.sin(dot.yaw / 2), 0, Math.cos(dot.yaw / 2)] },
      }))
      expectNear(down, { ...value, dots }, name)
    })

  test('cut short or with bytes left over it is refused', () => {
    for (const { name, hex, value } of of('down')) {
      if (value.kind === 'unknown') continue
      const bytes = bytesOf(hex)
      for (let end = 0; end < bytes.length; end++)
        expect(() => read(bytes.slice(0, end)), `${name} to ${end}`).toThrow()
      const payload = [...bytes.slice(bytes[1]! < 128 ? 2 : 3), 0]
      const size =
        payload.length < 128 ? [payload.length] : [(payload.length & 127) | 128, payload.length >> 7]
      expect(() => read(new Uint8Array([84, ...size, ...payload])), name).toThrow()
    }
  })

  test('a lying count ends with the bytes', () => {
    const lie = [0x82, 0, 0, 255, 255, 255, 255, 255, 255, 255, 15]
    expect(() => read(new Uint8Array([84, lie.length, ...lie]))).toThrow()
    expect(() => read(new Uint8Array([84, 10, 0x84, 0, 0, 0, 0, 0, 255, 255, 255, 255]))).toThrow()
  })

  test('bytes that were changed are read or refused, at once', () => {
    let seed = 7
    const random = (below: number) => (seed = (seed * 16_807) % 2_147_483_647) % below
    const frames = of('down').map(({ hex }) => bytesOf(hex))
    for (let i = 0; frames.length > 0 && i < 20_000; i++) {
      const frame = frames[i % frames.length]!.slice()
      for (let n = random(4); n >= 0; n--) frame[random(frame.length)] = random(256)
      try {
        read(frame)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }
  })

  test('several messages share a frame, and another outer id ends it', () => {
    const rate = [84, 3, 0x86, 1, 10]
    expect(read(new Uint8Array([...rate, ...rate]))).toEqual(Array(2).fill({ kind: 'rate', shed: 1, hz: 10 }))
    expect(() => read(new Uint8Array([...rate, 0, 0]))).toThrow()
    expect(() => read(new Uint8Array())).toThrow()
  })
})

describe('a pose as a record', () => {
  const turn = (angle: number) => [0, Math.sin(angle / 2), 0, Math.cos(angle / 2)] as const
  const at = (x: number, angle = 0): Pose => ({ head: { pos: [x, 1.6, 0], rot: turn(angle) } })

  test('tremor is near, movement, turning, buttons and jumps are not', () => {
    const pack = (pose: Pose) => packPose(pose, plain)
    const hand = { pos: [0.2, 1.2, 0], rot: turn(0) } as const
    const still = pack(at(0))
    expect(isNear(still, pack(at(0.003)))).toBe(true)
    expect(isNear(still, pack(at(0.004)))).toBe(false)
    expect(isNear(still, pack(at(0, 0.003)))).toBe(true)
    expect(isNear(still, pack(at(0, 0.02)))).toBe(false)
    expect(isNear(still, pack({ ...at(0), teleport: true }))).toBe(false)
    const held = pack({ ...at(0), right: hand, aux: 1 })
    expect(isNear(still, held)).toBe(false)
    expect(isNear(held, pack({ ...at(0), right: { ...hand, pos: [0.205, 1.2, 0] }, aux: 1 }))).toBe(true)
    expect(isNear(held, pack({ ...at(0), right: { ...hand, grip: true }, aux: 1 }))).toBe(false)
    expect(isNear(held, pack({ ...at(0), right: hand, aux: 2 }))).toBe(false)
  })

  test('an origin and a unit move and scale what travels, not what is seen', () => {
    const frame: PoseFrame = { origin: [1000, 0, -1000], scale: 4 }
    const pose: Pose = {
      head: { pos: [1100, 1.6, -900], rot: turn(1) },
      left: { pos: [1100.4, 1.2, -900.4], rot: turn(2), trigger: true },
    }
    const back = unpackPose(viewOf(packPose(pose, frame)), frame)
    expect(back.head.pos[0]).toBeCloseTo(1100, 2)
    expect(back.left!.pos[2]).toBeCloseTo(-900.4, 2)
    expect(back.left!.trigger).toBe(true)
    expect(ageOf(0xff)).toBe(60)
  })
})
