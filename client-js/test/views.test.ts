// Entities, queries, boards and undo. None of it needs a server: the documents of two spaces are joined by hand.
import { expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import type { Space, Stroke } from '../src/index.js'
import { open } from './support/client.js'
import type { Free } from './support/client.js'

const alone = (options: Parameters<typeof open>[2] = {}) =>
  open('http://localhost:1', 'views', { autoConnect: false, ...options })

const pair = (): [Space<Free>, Space<Free>] => {
  const [ann, bob] = [alone({ user: 'ann' }), alone({ user: 'bob' })]
  for (const [from, to] of [
    [ann, bob],
    [bob, ann],
  ] as const)
    from.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'other') Y.applyUpdate(to.doc, update, 'other')
    })
  return [ann, bob]
}

const draw = (space: Space<Free>, board = 'board'): Stroke => {
  const pen = space.board(board).begin({ color: '#000000', size: 2 })
  pen.append(0, 0)
  pen.append(10, 10, 1)
  return pen.end()!
}

test('an entity is created, read, patched, emptied and deleted', () => {
  const { entities } = alone()
  const box = entities.create({ transform: { pos: [0, 1, 2] }, name: 'box' })
  expect(box.id).toHaveLength(21)
  expect(entities.get(box.id)).toBe(box)
  box
    .set('name', 'crate')
    .patch('transform', { rot: [0, 0, 0, 1] })
    .remove('nothing')
  expect(box.toJSON()).toEqual({ transform: { pos: [0, 1, 2], rot: [0, 0, 0, 1] }, name: 'crate' })
  box.remove('name')
  expect(box.get('name')).toBeUndefined()
  expect([...entities]).toEqual([box])
  box.delete()
  expect([entities.size, entities.has(box.id), entities.get(box.id)]).toEqual([0, false, undefined])
})

test('creating an id that exists patches it', () => {
  const { entities } = alone()
  entities.create({ name: 'a', shape: { kind: 'box' } }, { id: 'x' })
  entities.create({ name: 'b' }, { id: 'x' })
  expect(entities.get('x')?.toJSON()).toEqual({ name: 'b', shape: { kind: 'box' } })
})

test('two people who create one id at once agree on one of the two', () => {
  const [ann, bob] = [alone(), alone()]
  ann.entities.create({ name: 'ann' }, { id: 'x' })
  bob.entities.create({ name: 'bob' }, { id: 'x' })
  const names: unknown[] = []
  ann.entities.observe('name', ({ value }) => names.push(value))
  bob.entities.observe('name', ({ value }) => names.push(value))
  Y.applyUpdate(ann.doc, Y.encodeStateAsUpdate(bob.doc))
  Y.applyUpdate(bob.doc, Y.encodeStateAsUpdate(ann.doc))
  expect(ann.entities.get('x')?.get('name')).toBe(bob.entities.get('x')?.get('name'))
  expect(names).toEqual([ann.entities.get('x')?.get('name')]) // only the loser hears a change
})

test('a handle whose entity somebody deleted reads nothing and writes nothing', () => {
  const { entities } = alone()
  const box = entities.create({ name: 'x' })
  entities.delete(box.id)
  box.set('name', 'ghost').patch('name', 'ghost').remove('name')
  expect([box.get('name'), box.toJSON(), entities.size]).toEqual([undefined, {}, 0])
})

test('bad names, values and writes to a reader are refused at the call', () => {
  const { entities } = alone()
  expect(() => entities.create({ __proto__x: 1 }, { id: 'a b' })).toThrow('not an entity id')
  expect(() => entities.create({ constructor: 1 })).toThrow('not a component name')
  expect(() => entities.create({ x: Number.NaN })).toThrow('x is NaN')
  expect(() => entities.create({ x: new Uint8Array(1) })).toThrow('Uint8Array')
  const reader = alone({ readOnly: true })
  for (const write of [
    () => reader.entities.create({ name: 'x' }),
    () => reader.entities.delete('x'),
    () => reader.transact(() => {}),
    () => reader.board().begin({ color: '#000000', size: 1 }),
    () => reader.board().clear(),
    () => reader.history.undo(),
  ])
    expect(write).toThrow('for reading only')
})

test("the schema's check runs on every local write", () => {
  const schema = {
    limit: 3,
    check(component: string, value: unknown) {
      if (component === 'count' && Number(value) > this.limit) throw new Error('too many')
    },
  }
  const { entities } = alone({ schema })
  const e = entities.create({ count: 3 })
  expect(() => e.set('count', 4)).toThrow('too many')
  expect(e.get('count')).toBe(3)
})

test('writing the same value again is no update', () => {
  const space = alone()
  const e = space.entities.create({ transform: { pos: [1, 2, 3] } })
  e.set('transform', { pos: [1, 2, 3] })
  expect(space.pending).toBe(1)
})

test('changes tell what was, what is and who did it', () => {
  const [ann, bob] = pair()
  const log: unknown[] = []
  ann.entities.on('add', ({ id }) => log.push(['add', id]))
  ann.entities.on('remove', (id) => log.push(['remove', id]))
  ann.entities.on('change', (change) => log.push(change))
  const e = bob.entities.create({ name: 'a' }, { id: 'e' })
  e.set('name', 'b')
  ann.entities.get('e')!.set('name', 'c')
  ann.history.undo()
  e.delete()
  expect(log).toEqual([
    ['add', 'e'],
    { id: 'e', component: 'name', value: 'a', source: 'remote' },
    { id: 'e', component: 'name', value: 'b', previous: 'a', source: 'remote' },
    { id: 'e', component: 'name', value: 'c', previous: 'b', source: 'local' },
    { id: 'e', component: 'name', value: 'b', previous: 'c', source: 'undo' },
    { id: 'e', component: 'name', previous: 'b', source: 'remote' },
    ['remove', 'e'],
  ])
})

test('observe hears one component, of all entities or of one, until it is told to stop', () => {
  const { entities } = alone()
  const [a, b] = [entities.create({ x: 0 }, { id: 'a' }), entities.create({ x: 0 }, { id: 'b' })]
  const all: string[] = []
  const one: string[] = []
  const abort = new AbortController()
  const off = entities.observe('x', ({ id }) => all.push(id))
  entities.observe('x', ({ id }) => one.push(id), { id: 'b', signal: abort.signal })
  a.set('x', 1).set('y', 1)
  b.set('x', 1)
  off()
  off()
  b.set('x', 2)
  abort.abort()
  b.set('x', 3)
  expect([all, one]).toEqual([
    ['a', 'b'],
    ['b', 'b'],
  ])
})

test('inside a transaction what was written is read', () => {
  const { entities, transact, board } = alone()
  transact(() => {
    const e = entities.create({ name: 'x' }, { id: 'e' })
    e.set('name', 'y')
    expect([entities.size, entities.has('e'), e.get('name')]).toEqual([1, true, 'y'])
    expect([...entities.query({ all: ['name'] })]).toEqual([e])
    const pen = board().begin({ color: '#000000', size: 1 })
    pen.append(1, 1)
    expect(pen.end()).toBe(board().strokes[0])
  })
})

test('queries enter and exit with components, follow only while heard, and can be iterated', () => {
  const { entities, transact } = alone()
  const query = entities.query({ all: ['shape', 'transform'], none: ['hidden'] })
  const log: string[] = []
  const a = entities.create({ shape: 1, transform: 1 }, { id: 'a' })
  expect([query.size, query.snapshot.length]).toEqual([1, 1])
  const offs = [
    query.on('enter', ({ id }) => log.push(`+${id}`)),
    query.on('exit', (id) => log.push(`-${id}`)),
    query.on('change', ({ id }) => log.push(`~${id}`)),
  ]
  const snapshot = query.snapshot
  expect(query.snapshot).toBe(snapshot)
  const b = entities.create({ shape: 1 }, { id: 'b' })
  b.set('transform', 1)
  expect(query.snapshot).not.toBe(snapshot)
  transact(() => {
    b.set('shape', 2)
    b.set('transform', 2)
    b.set('other', 2)
  })
  b.set('hidden', true)
  b.remove('hidden')
  a.delete()
  b.remove('shape')
  expect(log).toEqual(['+b', '~b', '-b', '+b', '-a', '-b'])
  for (const off of offs) off()
  entities.create({ shape: 1, transform: 1 }, { id: 'c' })
  expect(log).toHaveLength(6)
  expect([...query].map(({ id }) => id)).toEqual(['c'])
})

test('undo takes back what this user did, one step per transaction, never what others did', () => {
  const [ann, bob] = pair()
  const { history } = ann
  let changes = 0
  history.on('change', () => changes++)
  ann.transact(() => ann.entities.create({ x: 1, y: 1 }, { id: 'seed' }), { undo: false })
  expect(history.canUndo).toBe(false)
  const e = ann.entities.get('seed')!
  e.set('x', 2)
  history.group(() => e.set('x', 3).set('y', 3))
  bob.entities.get('seed')!.set('z', 'bob')
  bob.entities.create({ name: 'of bob' }, { id: 'bobs' })
  expect(history.undo()).toBe(true)
  expect(e.toJSON()).toEqual({ x: 2, y: 1, z: 'bob' })
  expect(history.undo()).toBe(true)
  expect(e.toJSON()).toEqual({ x: 1, y: 1, z: 'bob' })
  expect(history.undo()).toBe(false)
  expect(ann.entities.has('bobs')).toBe(true)
  expect([history.canUndo, history.canRedo]).toEqual([false, true])
  expect([history.redo(), history.redo(), history.redo()]).toEqual([true, true, false])
  expect(bob.entities.get('seed')!.toJSON()).toEqual({ x: 3, y: 3, z: 'bob' })
  history.clear()
  expect([history.canUndo, history.canRedo]).toEqual([false, false])
  expect(changes).toBeGreaterThan(5)
})

test('undo of a value somebody else has overwritten since leaves theirs', () => {
  const [ann, bob] = pair()
  const e = ann.transact(() => ann.entities.create({ x: 1 }, { id: 'e' }), { undo: false })
  e.set('x', 2)
  bob.entities.get('e')!.set('x', 3)
  ann.history.undo()
  expect(e.get('x')).toBe(3)
})

test('the history keeps 200 steps', () => {
  const { entities, history } = alone()
  const e = entities.create({ x: 0 })
  for (let i = 1; i <= 250; i++) e.set('x', i)
  let steps = 0
  while (history.undo()) steps++
  expect(steps).toBe(200)
  expect(e.get('x')).toBe(50)
})

test('a stroke is drawn live and committed once, when the pen lifts', () => {
  const [ann, bob] = pair()
  const board = ann.board()
  const log: string[] = []
  board.on('live', ({ points }) => log.push(`live ${points.length}`))
  board.on('idle', () => log.push('idle'))
  board.on('add', ({ by }, source) => log.push(`add ${by} ${source}`))
  board.on('remove', () => log.push('remove'))
  let updates = 0
  ann.doc.on('update', () => updates++)
  const pen = board.begin({ color: '#ff0000', size: 4, tool: 'marker' })
  pen.append(0, 0)
  pen.append(1.06, -2, 0.25)
  pen.append(Number.NaN, 0)
  expect([...board.live.keys()]).toEqual([pen.id])
  expect(updates).toBe(0)
  const stroke = pen.end()!
  expect(pen.end()).toBeNull()
  expect(updates).toBe(1)
  expect(board.live.size).toBe(0)
  expect(board.strokes).toEqual([stroke])
  expect(stroke).toMatchObject({ id: pen.id, by: 'ann', color: '#ff0000', size: 4, tool: 'marker' })
  const theirs = bob.board().strokes[0]!
  expect(theirs.points).toEqual([
    [0, 0, 128 / 255],
    [1, -2, 64 / 255],
  ])
  expect(theirs.points).toBe(theirs.points)
  bob.board().erase(stroke.id)
  expect(log).toEqual(['live 1', 'live 2', 'idle', 'add ann local', 'remove'])
  expect(ann.entities.get('board')?.get('whiteboard')).toEqual({})
})

test('a pen that was cancelled or drew nothing leaves nothing, not even a board', () => {
  const space = alone()
  const board = space.board('wall')
  expect(space.board('wall')).toBe(board)
  board.begin({ color: '#000000', size: 1 }).end()
  const pen = board.begin({ color: '#000000', size: 1 })
  pen.append(1, 1)
  pen.cancel()
  pen.append(2, 2)
  expect(pen.end()).toBeNull()
  expect([board.strokes.length, board.live.size, space.entities.size, space.pending]).toEqual([0, 0, 0, 0])
})

test('two people who draw the first stroke of one board at once lose nothing', () => {
  const [ann, bob] = [alone(), alone()]
  draw(ann)
  draw(bob)
  Y.applyUpdate(ann.doc, Y.encodeStateAsUpdate(bob.doc))
  Y.applyUpdate(bob.doc, Y.encodeStateAsUpdate(ann.doc))
  expect(ann.board().strokes).toHaveLength(2)
  expect(bob.board().strokes.map(({ id }) => id)).toEqual(ann.board().strokes.map(({ id }) => id))
})

test("undo on a board takes back one's own strokes only, and leaves the entities alone", () => {
  const [ann, bob] = pair()
  ann.entities.create({ name: 'thing' }, { id: 'thing' })
  const [a1, b1, a2] = [draw(ann), draw(bob), draw(ann)]
  const ids = () => bob.board().strokes.map(({ id }) => id)
  const board = ann.board()
  expect(ids()).toEqual([a1.id, b1.id, a2.id])
  expect(board.undo()).toBe(true)
  expect(ids()).toEqual([a1.id, b1.id])
  expect(board.undo()).toBe(true)
  expect(ids()).toEqual([b1.id])
  expect([board.undo(), board.canUndo, board.canRedo]).toEqual([false, false, true])
  expect(board.redo()).toBe(true)
  expect(ids()).toEqual([a1.id, b1.id])
  // Erasing is a deed of its own; its undo brings the stroke back, whoever drew it.
  board.erase(b1.id, a1.id)
  expect(ids()).toEqual([])
  expect(board.undo()).toBe(true)
  expect(ids()).toEqual([a1.id, b1.id])
  expect(ann.entities.has('thing')).toBe(true)
  expect(ann.entities.has('board')).toBe(true)
})

test('deleting an entity clears its ink in one update, and undo brings both back', () => {
  const [ann, bob] = pair()
  draw(ann, 'wall')
  draw(bob, 'wall')
  let updates = 0
  ann.doc.on('update', () => updates++)
  ann.entities.delete('wall')
  expect([updates, bob.board('wall').strokes.length, bob.entities.has('wall')]).toEqual([1, 0, false])
  expect(ann.history.undo()).toBe(true)
  expect([bob.board('wall').strokes.length, bob.entities.has('wall')]).toEqual([2, true])
  expect(ann.board('wall').strokes.every(({ points }) => points.length === 2)).toBe(true)
})

test('ink inside transact() is one step of the history together with the rest', () => {
  const space = alone()
  space.transact(() => {
    space.entities.create({ name: 'x' }, { id: 'x' })
    draw(space)
  })
  expect(space.board().canUndo).toBe(false)
  space.history.undo()
  expect([space.entities.size, space.board().strokes.length]).toEqual([0, 0])
})

// SPEC D7
test('strokes of foreign clients that are no strokes do not break the board', () => {
  const space = alone()
  const board = space.board()
  const array = space.doc.getArray<unknown>('strokes:board')
  array.push([
    null,
    5,
    'x',
    { id: 'a' },
    { id: 'b', by: 'm', color: '#000000', size: 1, points: new Uint8Array([9]) },
  ])
  const own = draw(space)
  expect(board.strokes.map(({ id, points }) => [id, points.length])).toEqual([
    ['b', 0],
    [own.id, 2],
  ])
  board.erase('b')
  expect(board.strokes).toEqual([own])
  board.clear()
  expect(array.length).toBe(0)
})

test('a listener may write', () => {
  const { entities } = alone()
  entities.observe('x', ({ id, value }) => {
    if (Number(value) < 3) entities.get(id)!.set('x', Number(value) + 1)
  })
  const e = entities.create({ x: 0 })
  expect(e.get('x')).toBe(3)
})

test('a given document is used and outlives the space', async () => {
  const doc = new Y.Doc()
  doc.getMap('entities').set('old', new Y.Map([['name', 'x']]))
  const space = alone({ doc })
  onTestFinished(() => doc.destroy())
  expect(space.entities.get('old')?.get('name')).toBe('x')
  expect(space.entities.size).toBe(1)
  await space.destroy()
  expect(doc.isDestroyed).toBe(false)
})
