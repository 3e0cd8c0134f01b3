// Who is here, where they point, what they draw and where they stand, seen by somebody else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from './support/browser.mjs'
import { add, call, counts, draw, enter, hasStrokes, makeSpace, row, saved } from './support/space.mjs'

const here = stage()

/** A person with this name in the space. */
async function guest(id, name) {
  const page = await here.person()
  await call(page, name)
  await enter(page, id)
  await page.waitForFunction(() => window.thexr.space.presence.me !== null)
  return page
}

/** Writes down every note, every number of people and everybody who is shown as away, from now on. */
const watch = (page) =>
  page.evaluate(() => {
    const seen = (globalThis.seen = { notes: [], counts: [], away: 0 })
    const look = () => {
      for (const note of document.querySelectorAll('[data-testid=toast] > span:first-child'))
        if (!seen.notes.includes(note.textContent)) seen.notes.push(note.textContent)
      const count = document.querySelector('[data-testid=people-button]').dataset.count
      if (seen.counts.at(-1) !== count) seen.counts.push(count)
      seen.away += document.querySelectorAll('.avatar.away').length
    }
    look()
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
  })
const seen = (page) => page.evaluate(() => globalThis.seen)
const note = (page, text) => page.getByTestId('toast').filter({ hasText: text }).waitFor()

test('who comes and who goes is told once, to the eye and to the ear; a reload tells nobody', async () => {
  const id = await makeSpace(here.server)
  const ana = await guest(id, 'Ana')
  await counts(ana, 1)
  await watch(ana)
  const ben = await guest(id, 'Ben')
  await note(ana, 'Ben joined')
  await ana.getByTestId('voice').filter({ hasText: 'Ben joined' }).waitFor({ state: 'attached' })
  await counts(ana, 2)

  const member = () => ben.evaluate(() => window.thexr.space.presence.me.id)
  const before = await member()
  await ben.reload()
  await ben.waitForFunction(() => window.thexr?.space.presence.me?.away === false)
  assert.equal(await member(), before, 'the same member came back')

  // Had the reload been told of, it would have been before this.
  const cleo = await guest(id, 'Cleo')
  await note(ana, 'Cleo joined')
  await counts(ana, 3)
  await ben.getByRole('link', { name: 'All spaces' }).click()
  await note(ana, 'Ben left')
  await cleo.getByRole('link', { name: 'All spaces' }).click()
  await note(ana, 'Cleo left')
  assert.deepEqual(await seen(ana), {
    notes: ['Ben joined', 'Cleo joined', 'Ben left', 'Cleo left'],
    counts: ['1', '2', '3', '2', '1'],
    away: 0,
  })
})

test('who was here before me did not join', async () => {
  const id = await makeSpace(here.server)
  await guest(id, 'Ana')
  const ben = await guest(id, 'Ben')
  await counts(ben, 2)
  await watch(ben)
  await guest(id, 'Cleo')
  await note(ben, 'Cleo joined')
  assert.deepEqual((await seen(ben)).notes, ['Cleo joined'])
})

test('two windows of one person are one person', async () => {
  const id = await makeSpace(here.server)
  const ana = await guest(id, 'Ana')
  const ben = await guest(id, 'Ben')
  await note(ana, 'Ben joined')
  await watch(ana)
  const second = await ben.context().newPage()
  await enter(second, id)
  await ana.getByTestId('people-button').click()
  const his = ana.getByTestId('person').filter({ hasText: 'Ben' })
  await his.filter({ hasText: '2 windows' }).waitFor()
  await counts(ana, 2)
  await counts(second, 2)
  await second.getByRole('link', { name: 'All spaces' }).click()
  await his.filter({ hasNotText: '2 windows' }).waitFor()
  await ben.getByRole('link', { name: 'All spaces' }).click()
  await note(ana, 'Ben left')
  await counts(ana, 1)
  assert.deepEqual((await seen(ana)).notes.toSorted(), ['Ben joined', 'Ben left'])
})

test('a name I type is seen by others at once and is still mine after a reload', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = [await guest(id, 'Ana'), await guest(id, 'Ben')]
  await ana.getByTestId('people-button').click()
  await ben.getByTestId('people-button').click()
  await ben.getByTestId('own-name').fill('Ben the builder')
  await ben.keyboard.press('Enter')
  const renamed = ana.getByTestId('person').filter({ hasText: 'Ben the builder' })
  await renamed.waitFor()
  await ben.reload()
  await ben.getByTestId('people-button').click()
  await ben.getByTestId('person').filter({ hasText: 'Ben the builder' }).filter({ hasText: 'you' }).waitFor()
  await renamed.waitFor()
})

test('somebody else’s cursor shows where they point, and goes when they leave the board', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = [await guest(id, 'Ana'), await guest(id, 'Ben')]
  await counts(ben, 2)
  const board = await ben.getByTestId('board-canvas').boundingBox()
  await ben.mouse.move(board.x + 100, board.y + 200)
  await ben.mouse.move(board.x + 240, board.y + 310, { steps: 3 })
  const cursor = ana.getByTestId('cursor')
  await cursor.filter({ hasText: 'Ben' }).waitFor()
  // Both look at the same part of the board.
  await ana.waitForFunction(
    ([x, y]) => {
      const box = document.querySelector('[data-testid=cursor]').getBoundingClientRect()
      return Math.abs(box.x - x) < 1.5 && Math.abs(box.y - y) < 1.5
    },
    [board.x + 240, board.y + 310],
  )
  assert.equal(await ben.getByTestId('cursor').count(), 0, 'nobody sees their own')
  await ben.mouse.move(20, 20)
  await cursor.waitFor({ state: 'detached' })

  // The crosshair of the keyboard points as well.
  await ben.getByTestId('board-canvas').focus()
  await ben.keyboard.press('ArrowRight')
  await cursor.waitFor()
  await ben.getByTestId('view-map').click()
  await cursor.waitFor({ state: 'detached' })

  // Who points at nothing for some seconds has stopped pointing.
  await ben.getByTestId('view-board').click()
  await ben.getByTestId('board-tools').waitFor()
  // The board listens some frames after it is there, and a hand does not move once.
  for (let n = 0; n < 100 && (await cursor.count()) === 0; n++)
    await ben.mouse.move(board.x + 50 + (n % 10), board.y + 250)
  await cursor.waitFor()
  await cursor.waitFor({ state: 'detached' })
  await ben.mouse.move(board.x + 60, board.y + 250)
  await cursor.waitFor()
  await ben.getByRole('link', { name: 'All spaces' }).click()
  await cursor.waitFor({ state: 'detached' })
})

test('a line is seen while it is drawn, and stays where it is when it is written', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = [await guest(id, 'Ana'), await guest(id, 'Ben')]
  await draw(ben, 0.7)
  await hasStrokes(ana, 1)
  const board = await ben.getByTestId('board-canvas').boundingBox()
  const canvas = ana.getByTestId('board-canvas')

  // Looks at one point of the line in every frame: once it has ink it must never lose it.
  await ana.evaluate(
    ([x, y]) => {
      const layers = [...document.querySelectorAll('.board canvas')]
      globalThis.ink = { seen: 0, lost: 0 }
      const look = () => {
        const { ink } = globalThis
        const wet = layers.some((layer) => layer.getContext('2d').getImageData(x, y, 1, 1).data[3] > 100)
        if (wet) ink.seen++
        else if (ink.seen > 0) ink.lost++
        requestAnimationFrame(look)
      }
      look()
    },
    [200, 150],
  )
  await ben.mouse.move(board.x + 100, board.y + 150)
  await ben.mouse.down()
  await ben.mouse.move(board.x + 300, board.y + 150, { steps: 20 })
  await canvas.and(ana.locator('[data-live="1"]')).waitFor()
  await ana.waitForFunction(() => globalThis.ink.seen > 0)
  assert.equal(await canvas.getAttribute('data-strokes'), '1', 'nothing is written yet')
  assert.equal(await ana.evaluate(() => window.thexr.space.board('board').strokes.length), 1)

  await ben.mouse.up()
  await hasStrokes(ana, 2)
  await canvas.and(ana.locator('[data-live="0"]')).waitFor()
  const frames = await ana.evaluate(() => globalThis.ink.seen)
  await ana.waitForFunction((frames) => globalThis.ink.seen > frames + 10, frames)
  assert.equal(await ana.evaluate(() => globalThis.ink.lost), 0, 'the line vanished for a frame')
  assert.equal(await ana.evaluate(() => window.thexr.space.board('board').strokes.length), 2)

  // A line that is dropped goes everywhere.
  await ben.mouse.move(board.x + 100, board.y + 350)
  await ben.mouse.down()
  await ben.mouse.move(board.x + 300, board.y + 380, { steps: 10 })
  await canvas.and(ana.locator('[data-live="1"]')).waitFor()
  await ben.keyboard.press('Escape')
  await canvas.and(ana.locator('[data-live="0"]')).waitFor()
  await ben.mouse.up()
  await hasStrokes(ana, 2)
})

/** Where somebody is on this person's map. */
const place = async (page, name) => {
  const item = page.locator(`[data-testid=map-member][data-name="${name}"][data-x]`)
  await item.waitFor({ state: 'attached' })
  return item.evaluate((node) => ({ x: Number(node.dataset.x), z: Number(node.dataset.z) }))
}
const movedTo = (page, name, { x, z }) =>
  page.waitForFunction(
    ([name, x, z]) => {
      const { dataset } = document.querySelector(`[data-testid=map-member][data-name="${name}"]`) ?? {}
      return dataset && Math.abs(dataset.x - x) < 0.05 && Math.abs(dataset.z - z) < 0.05
    },
    [name, x, z],
  )

/** Where I am when I have stood still for ten frames. */
const rest = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        let last = ''
        let frames = 0
        const look = () => {
          const { presence } = window.thexr.space
          const [x, , z] = presence.pose(presence.me.id).head.pos
          frames = `${x} ${z}` === last ? frames + 1 : 0
          last = `${x} ${z}`
          if (frames > 10) resolve({ x, z })
          else requestAnimationFrame(look)
        }
        look()
      }),
  )

test('who walks in one window walks on the map of the other', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = [await guest(id, 'Ana'), await guest(id, 'Ben')]
  for (const page of [ana, ben]) await page.getByTestId('view-map').click()
  const from = await place(ana, 'Ben')
  await ben.getByTestId('map-canvas').focus()
  await ben.keyboard.down('ArrowRight')
  await ben.waitForFunction(
    (x) => Number(document.querySelector('[data-testid=map-member][data-me=true]').dataset.x) > x + 1,
    from.x,
  )
  await ben.keyboard.up('ArrowRight')
  await ben.keyboard.press('w')
  const end = await rest(ben)
  assert.ok(end.x > from.x + 0.9, `went east: ${from.x} to ${end.x}`)
  assert.ok(end.z < from.z - 0.2, `one press of a key is a step north: ${from.z} to ${end.z}`)
  await movedTo(ana, 'Ben', end)
  const told = ana.getByTestId('map-member').filter({ hasText: /^Ben: (.* metres|beside you)/ })
  await told.waitFor({ state: 'attached' })

  // A click is a place to go to.
  const map = await ben.getByTestId('map-canvas').boundingBox()
  await ben.mouse.click(map.x + map.width / 2, map.y + map.height - 40)
  await ben.waitForFunction(
    (z) => Number(document.querySelector('[data-testid=map-member][data-me=true]').dataset.z) > z + 1,
    end.z,
  )
  const there = await rest(ben)
  await movedTo(ana, 'Ben', there)

  // After a reload he stands where he stood.
  await ben.reload()
  await ben.waitForFunction(() => window.thexr?.space.presence.me?.away === false)
  assert.deepEqual(await rest(ben), there)
  await movedTo(ana, 'Ben', there)
})

test('a value that somebody drags is shown live with their hand on it, and written once', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = [await guest(id, 'Ana'), await guest(id, 'Ben')]
  await add(ben, 'box')
  await saved(ben)
  await row(ana, 'Box').click()
  const field = ben.getByTestId('field-pos-x')
  const box = await field.boundingBox()
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
  await ben.mouse.move(x, y)
  await ben.mouse.down()
  await ben.mouse.move(x + 100, y, { steps: 5 })

  await row(ana, 'Box').getByTestId('row-hand').filter({ hasText: '2.0' }).waitFor()
  await ana.locator('[data-component=transform]').getByTestId('hand').filter({ hasText: 'Ben' }).waitFor()
  await ana.waitForFunction(() => document.querySelector('[data-testid=field-pos-x]').value === '2')
  const written = () => ana.evaluate(() => [...window.thexr.space.entities][0].get('transform').pos[0])
  assert.equal(await written(), 0, 'nothing is written while he drags')

  await ben.mouse.up()
  await ana.getByTestId('row-hand').waitFor({ state: 'detached' })
  await ana.waitForFunction(() => [...window.thexr.space.entities][0].get('transform').pos[0] === 2)
  await ben.getByTestId('undo').click()
  await ana.waitForFunction(() => [...window.thexr.space.entities][0].get('transform').pos[0] === 0)

  // Esc takes it back, here and there.
  await ben.mouse.move(x, y)
  await ben.mouse.down()
  await ben.mouse.move(x + 50, y, { steps: 5 })
  await ana.getByTestId('row-hand').waitFor()
  await ben.keyboard.press('Escape')
  await ana.getByTestId('row-hand').waitFor({ state: 'detached' })
  await ben.mouse.up()
  assert.equal(await field.inputValue(), '0')
  assert.equal(await written(), 0)
})

test('the list of people and the map are reached, used and left without a pointer', async () => {
  const id = await makeSpace(here.server)
  const [ana] = [await guest(id, 'Ana'), await guest(id, 'Ben')]
  await counts(ana, 2)
  const tabTo = async (wanted) => {
    for (let n = 0; n < 60; n++) {
      await ana.keyboard.press('Tab')
      if (await wanted.evaluate((node) => node === document.activeElement)) return
    }
    assert.fail(`Tab never reached ${wanted}`)
  }
  const button = ana.getByTestId('people-button')
  await tabTo(button)
  assert.match(await button.getAttribute('aria-label'), /^People: 2 here: you and Ben$/)
  await ana.keyboard.press('Enter')
  await ana.locator('[data-testid=people]:focus').waitFor()
  await tabTo(ana.getByTestId('own-name'))
  await ana.keyboard.press('Control+A')
  await ana.keyboard.type('Ana the first')
  await ana.keyboard.press('Enter')
  await ana.getByTestId('person').filter({ hasText: 'Ana the first' }).waitFor()
  await ana.keyboard.press('Escape')
  await ana.getByTestId('people').waitFor({ state: 'detached' })
  await ana.locator('[data-testid=people-button]:focus').waitFor()

  await tabTo(ana.getByTestId('view-map'))
  await ana.keyboard.press('Enter')
  const map = ana.getByTestId('map-canvas')
  await map.waitFor()
  await tabTo(map)
  const before = await place(ana, 'Ana the first')
  await ana.keyboard.press('ArrowLeft')
  await ana.waitForFunction(
    (x) => Number(document.querySelector('[data-testid=map-member][data-me=true]').dataset.x) < x - 0.2,
    before.x,
  )
  await ana.keyboard.press('Enter')
  await ana
    .getByTestId('voice')
    .filter({ hasText: /You: .*Ben: / })
    .waitFor({ state: 'attached' })
  await ana.keyboard.press('Tab')
  assert.equal(await map.evaluate((node) => node === document.activeElement), false)
})
