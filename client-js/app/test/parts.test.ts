// The parts of the page that are plain functions. The page itself is driven by the browser tests.
import { describe, expect, test } from 'vitest'
import { fitted, toBoard, zoomed } from '../src/board/camera.js'
import { palette, shown } from '../src/board/colors.js'
import { touches, type Ink } from '../src/board/ink.js'
import { parseRoute, validId } from '../src/route.js'
import { check } from '../src/space/check.js'
import type { AppEntity } from '../src/space/room.js'
import { toDegrees, toQuaternion } from '../src/space/rotation.js'
import { rowsOf } from '../src/space/tree.js'
import { inOrder } from '../src/space/vocabulary.js'

describe('rotation', () => {
  test.each([[[0, 0, 0]], [[90, 0, 0]], [[0, 45, 0]], [[10, -20, 30]], [[-170, 60, 120]], [[0, 0, 180]]])(
    '%j survives the way to a quaternion and back',
    (degrees) => {
      expect(toDegrees(toQuaternion(degrees)).map((each) => Math.round(each * 10) / 10)).toEqual(degrees)
    },
  )
  test('a quaternion of no length is no rotation', () => {
    expect(toDegrees([0, 0, 0, 0])).toEqual([0, 0, 0])
  })
})

test('the fields of a component keep their order however the server shuffles them', () => {
  const shuffled = { scale: [1, 1, 1], rot: [0, 0, 0, 1], pos: [0, 1, 0] }
  expect(Object.keys(inOrder(shuffled, 'transform') as object)).toEqual(['pos', 'rot', 'scale'])
  expect(JSON.stringify(inOrder({ z: [{ b: 1, a: 2 }], y: null }, 'mine'))).toBe(
    '{"y":null,"z":[{"a":2,"b":1}]}',
  )
})

describe('camera', () => {
  test('zooming keeps the point under the pointer', () => {
    const before = { x: 10, y: -20, zoom: 1.5 }
    const after = zoomed(before, 2, 300, 200)
    const [x, y] = toBoard(after, 300, 200)
    const [wantX, wantY] = toBoard(before, 300, 200)
    expect(x).toBeCloseTo(wantX)
    expect(y).toBeCloseTo(wantY)
  })
  test('fit centres what there is and never magnifies', () => {
    const camera = fitted({ left: 0, top: 0, right: 10, bottom: 10 }, 400, 300)
    expect(camera).toEqual({ x: 5 - 200, y: 5 - 150, zoom: 1 })
  })
})

describe('ink', () => {
  const ink = {
    stroke: { id: 'a', color: '#000000', size: 2, tool: 'pen' },
    points: [
      [0, 0, 0.5],
      [100, 0, 0.5],
    ],
    box: { left: -3, top: -3, right: 103, bottom: 3 },
  } as unknown as Ink
  test('a fast eraser that jumps over a line still touches it', () => {
    expect(touches(ink, 50, -80, 50, 80, 1)).toBe(true)
  })
  test('what is beside the line stays', () => {
    expect(touches(ink, 50, 20, 60, 20, 8)).toBe(false)
  })
  test('every colour of the palette differs from the paper it is on', () => {
    for (const { color } of palette) {
      expect(shown(color, false)).toBe(color)
      expect(shown(color, true)).not.toBe('#16181d')
    }
    expect(shown('javascript:alert(1)', false)).toBe('#1d2129')
  })
})

describe('route', () => {
  test('the hash names the space', () => {
    expect(parseRoute('#/s/lobby')).toEqual({ page: 'space', id: 'lobby' })
    expect(parseRoute('#/s/a%20b')).toEqual({ page: 'space', id: 'a b' })
    expect(parseRoute('#/s/%')).toEqual({ page: 'space', id: '%' })
    expect(parseRoute('')).toEqual({ page: 'home' })
  })
  test('ids are those the server takes', () => {
    expect(['lobby', '0', 'a-b_c', 'x'.repeat(64)].every(validId)).toBe(true)
    expect(['', '-a', 'Lobby', 'a b', 'x'.repeat(65)].some(validId)).toBe(false)
  })
})

describe('check', () => {
  test.each([
    ['transform', { pos: [0, 0, 0], rot: [0, 0, 0, 1] }],
    ['shape', { kind: 'box', params: { width: 2 } }],
    ['light', { kind: 'spot' }],
    ['whiteboard', {}],
    ['anything', [1, 'two', null]],
  ])('%s %j is fine', (name, value) => expect(() => check(name, value)).not.toThrow())
  test.each([
    ['transform', { pos: [0, 0], rot: [0, 0, 0, 1] }, 'transform.pos has to be 3 numbers.'],
    ['transform', { pos: [0, 0, 0] }, 'transform lacks rot.'],
    ['material', { color: 'red' }, 'material.color has to be a colour like #5b8def.'],
    [
      'shape',
      { kind: 'teapot' },
      'shape.kind has to be one of box, sphere, cylinder, plane, capsule, ground, cone.',
    ],
    ['text', 'Hello', 'text has to be an object.'],
    ['parent', '', 'parent has to be the id of an entity.'],
  ])('%s %j is refused', (name, value, why) => expect(() => check(name, value)).toThrow(why))
})

describe('tree', () => {
  const entity = (id: string, parent?: string): AppEntity =>
    ({
      id,
      get: (name: string) => (name === 'parent' ? parent : undefined),
      toJSON: () => ({}),
    }) as unknown as AppEntity
  const shape = (entities: AppEntity[], shut: string[] = []) =>
    rowsOf(entities, '', new Set(shut)).map((row) => `${row.level} ${row.entity.id}`)

  test('children stand below their parent', () => {
    expect(shape([entity('b', 'a'), entity('a'), entity('c')])).toEqual(['1 a', '2 b', '1 c'])
  })
  test('a shut parent hides its children', () => {
    expect(shape([entity('a'), entity('b', 'a'), entity('c', 'b')], ['a'])).toEqual(['1 a'])
  })
  test('two entities that claim each other are both shown', () => {
    expect(shape([entity('a', 'b'), entity('b', 'a')]).sort()).toEqual(['1 a', '1 b'])
  })
  test('a parent that is gone makes no orphan', () => {
    expect(shape([entity('a', 'gone')])).toEqual(['1 a'])
  })
})
