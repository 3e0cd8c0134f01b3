// The whole way through a space without a pointer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from './support/browser.mjs'
import { enter, hasStrokes, holds, makeSpace, row, saved } from './support/space.mjs'

const here = stage()

/** Presses Tab until `wanted` has the focus; fails after as many as a page can have. */
async function tabTo(page, wanted) {
  for (let n = 0; n < 120; n++) {
    await page.keyboard.press('Tab')
    if (await wanted.evaluate((node) => node === document.activeElement)) return
  }
  assert.fail(`Tab never reached ${wanted}`)
}

/** Waits until this is one element and has the focus. Looked up anew each time: a list may be about to draw itself again. */
const focused = async (locator) => {
  const has = (nodes) => nodes.length === 1 && nodes[0] === document.activeElement
  for (const end = Date.now() + 10_000; !(await locator.evaluateAll(has));) {
    assert.ok(Date.now() < end, `${locator} never had the focus`)
    await locator.page().waitForTimeout(20)
  }
}

test('a space is made, filled, drawn in, corrected and left without a pointer', async () => {
  const page = await here.person()
  await page.goto('/')
  await page.getByTestId('new-space').waitFor()
  await tabTo(page, page.getByTestId('new-space'))
  await page.keyboard.press('Enter')
  await focused(page.getByTestId('new-space-name'))
  await page.keyboard.type('By keyboard')
  await page.keyboard.press('Enter')
  await page.getByTestId('board-canvas').waitFor()

  // An entity, and one of its components.
  await page.keyboard.press('n')
  await focused(page.getByTestId('new-box'))
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await focused(row(page, 'Sphere'))
  await page.keyboard.press('Enter')
  await page.locator('#inspector:focus').waitFor()
  await tabTo(page, page.getByTestId('field-pos-x'))
  await page.keyboard.press('Control+A')
  await page.keyboard.type('3')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => [...window.thexr.space.entities][0].get('transform').pos[0] === 3)

  // A stroke: from the field onwards the board is further round the page.
  const board = page.getByTestId('board-canvas')
  await tabTo(page, board)
  await page.keyboard.press('Enter')
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown', 'Shift+ArrowRight'])
    await page.keyboard.press(key)
  await page.keyboard.press('Enter')
  await hasStrokes(page, 1)
  const points = await page.evaluate(() => window.thexr.space.board('board').strokes[0].points.length)
  assert.equal(points, 5)

  // Esc drops a line that is under way, and Tab leads away from the board.
  await page.keyboard.press('Enter')
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  assert.equal(await board.evaluate((node) => node === document.activeElement), false)
  await hasStrokes(page, 1)

  await page.keyboard.press('Control+z')
  await hasStrokes(page, 0)
  await page.keyboard.press('Control+Shift+z')
  await hasStrokes(page, 1)

  // Delete in the outline, and undo.
  await tabTo(page, page.locator('[data-testid=entity-row][tabindex="0"]'))
  await page.keyboard.press('Home')
  await focused(page.getByTestId('entity-row').first())
  await page.keyboard.press('ArrowDown')
  await focused(page.getByTestId('entity-row').nth(1))
  await page.keyboard.press('ArrowUp')
  await focused(page.getByTestId('entity-row').first())
  const first = await page.getByTestId('entity-row').first().getAttribute('data-id')
  await page.keyboard.press('Delete')
  await page.waitForFunction((id) => !window.thexr.space.entities.has(id), first)
  await focused(page.getByTestId('entity-row'))
  await page.keyboard.press('Control+z')
  await holds(page, 2, 1)
  await saved(page)

  await tabTo(page, page.getByRole('link', { name: 'All spaces' }))
  await page.keyboard.press('Enter')
  await page.getByTestId('space-card').filter({ hasText: 'By keyboard' }).waitFor()
})

test('Tab reaches every control of a space and never gets stuck', async () => {
  const id = await makeSpace(here.server)
  await here.server.api('PUT', `/spaces/${id}/entities/box`, {
    components: {
      shape: { kind: 'box' },
      material: { color: '#ff0000' },
      transform: { pos: [0, 0, 0], rot: [0, 0, 0, 1] },
    },
  })
  const page = await here.person()
  await enter(page, id)
  await row(page, 'Box').click()
  await page.locator('[data-component=material]').waitFor()
  await page.getByTestId('board-tools').waitFor()

  const missed = await page.evaluate(() => {
    const all = [...document.querySelectorAll('a[href], button, input, select, textarea, [tabindex]')]
    globalThis.wanted = new Set(
      all.filter((node) => node.tabIndex >= 0 && !node.disabled && node.checkVisibility()),
    )
    addEventListener('focusin', (event) => globalThis.wanted.delete(event.target))
    document.activeElement.blur()
    return globalThis.wanted.size
  })
  assert.ok(missed > 30, `only ${missed} controls`)
  for (let n = 0; n < missed + 10; n++) await page.keyboard.press('Tab')
  const left = await page.evaluate(() => [...globalThis.wanted].map((node) => node.outerHTML.slice(0, 120)))
  assert.deepEqual(left, [])
})

test('every focused control shows that it is', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await page.getByTestId('board-tools').waitFor()
  const count = await page.evaluate(
    () => document.querySelectorAll('a[href], button:enabled, input, canvas[tabindex]').length,
  )
  const bare = []
  for (let n = 0; n < count; n++) {
    await page.keyboard.press('Tab')
    const look = await page.evaluate(() => {
      const node = document.activeElement
      if (node === document.body) return null
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(node)
      const seen = (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none'
      return seen ? null : node.outerHTML.slice(0, 120)
    })
    if (look) bare.push(look)
  }
  assert.deepEqual(bare, [])
})

test('Esc leaves whatever is open: the menu, the sheet of keys, a half-typed field, the inspector', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await page.keyboard.press('n')
  await focused(page.getByTestId('new-box'))
  await page.keyboard.press('Escape')
  await page.getByRole('menu').waitFor({ state: 'detached' })
  await focused(page.getByTestId('new-entity'))

  await page.keyboard.press('?')
  await page.getByRole('heading', { name: 'Keyboard' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('heading', { name: 'Keyboard' }).waitFor({ state: 'detached' })

  await page.keyboard.press('n')
  await page.getByTestId('new-box').press('Enter')
  const field = page.getByTestId('field-pos-x')
  await field.fill('99')
  await page.keyboard.press('Escape')
  assert.equal(await field.inputValue(), '0')

  await page.keyboard.press('Escape')
  await page.getByText('Choose an entity in the outline').waitFor()
})

test('keys typed into a field are text and not tools', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await page.getByTestId('board-tools').waitFor()
  await page.getByTestId('space-name').fill('')
  await page.keyboard.type('nephew?')
  assert.equal(await page.getByTestId('space-name').inputValue(), 'nephew?')
  assert.equal(await page.getByTestId('board-canvas').getAttribute('data-tool'), 'pen')
  assert.equal(await page.getByRole('menu').count(), 0)
})
