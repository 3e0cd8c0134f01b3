// What several people in one space see of each other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from './support/browser.mjs'
import {
  add,
  contents,
  draw,
  enter,
  freshId,
  hasStrokes,
  holds,
  isSaved,
  makeSpace,
  row,
  saved,
} from './support/space.mjs'

const here = stage()

test('a space is created on the home page, opens, and is in the list afterwards', async () => {
  const page = await here.person()
  const name = `Studio ${freshId()}`
  await page.goto('/')
  await page.getByTestId('new-space').click()
  await page.getByTestId('new-space-name').fill(name)
  await page.getByTestId('create-space').click()
  await page.getByTestId('board-empty').waitFor()
  assert.equal(await page.getByTestId('space-name').inputValue(), name)
  await page.getByRole('link', { name: 'All spaces' }).click()
  await page.getByTestId('space-card').filter({ hasText: name }).waitFor()
})

test('a name the server refuses is said beside the field, in the server’s words', async () => {
  const page = await here.person({ refused: true })
  await page.goto('/')
  await page.getByTestId('new-space').click()
  await page.getByTestId('new-space-name').fill('no\u0081name')
  await page.getByTestId('create-space').click()
  await page.getByRole('alert').filter({ hasText: 'A name is 1 to 120 characters' }).waitFor()
})

test('two people see each other’s entities and strokes', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = await Promise.all([here.person(), here.person()])
  await Promise.all([enter(ana, id), enter(ben, id)])

  await add(ana, 'box')
  await row(ben, 'Box').waitFor()
  await add(ben, 'text')
  await row(ana, 'Hello').waitFor()
  await draw(ana, 0.3)
  await hasStrokes(ben, 1)
  await draw(ben, 0.5)
  await hasStrokes(ana, 2)

  await Promise.all([isSaved(ana), isSaved(ben)])
  assert.deepEqual(await contents(ana), await contents(ben))
})

test('a change of a component arrives where somebody else looks at it', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = await Promise.all([here.person(), here.person()])
  await Promise.all([enter(ana, id), enter(ben, id)])
  await add(ana, 'sphere')
  await row(ben, 'Sphere').click()
  await ana.getByTestId('field-pos-x').fill('2.5')
  await ana.keyboard.press('Enter')
  await ben.waitForFunction(() => document.querySelector('[data-testid=field-pos-x]')?.value === '2.5')
})

test('undo takes back only what I did', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = await Promise.all([here.person(), here.person()])
  await Promise.all([enter(ana, id), enter(ben, id)])
  await draw(ana, 0.3)
  await hasStrokes(ben, 1)
  const [hers] = (await contents(ana)).strokes.board
  await draw(ben, 0.5)
  await hasStrokes(ana, 2)

  await ben.getByTestId('undo').click()
  await hasStrokes(ana, 1)
  assert.deepEqual((await contents(ana)).strokes.board, [hers])
  assert.equal(await ben.getByTestId('undo').isDisabled(), true, 'nothing of his is left to undo')

  await ben.getByTestId('redo').click()
  await hasStrokes(ana, 2)
  await ana.getByTestId('undo').click()
  await hasStrokes(ben, 1)
  assert.notDeepEqual((await contents(ben)).strokes.board, [hers])
})

test('a deleted entity comes back with its ink by the toast’s Undo', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await draw(page)
  await hasStrokes(page, 1)
  const before = await contents(page)
  await row(page, 'Whiteboard').click()
  await page.getByTestId('delete-entity').click()
  await holds(page, 0, 0)
  await page.getByTestId('toast').getByRole('button', { name: 'Undo' }).click()
  await holds(page, 1, 1)
  assert.deepEqual(await contents(page), before)
})

test('a component is edited as JSON, and broken JSON or a wrong shape is refused with a reason', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await add(page, 'box')
  const material = page.locator('[data-component=material]')
  await material.getByTestId('as-json').click()

  await material.getByTestId('json').fill('{"color": ')
  await material.getByTestId('json-save').click()
  await material.getByTestId('component-error').filter({ hasText: 'Not valid JSON at line 1' }).waitFor()
  await material.getByTestId('json').fill('{"color": "red"}')
  await material.getByTestId('json-save').click()
  await material.getByTestId('component-error').filter({ hasText: 'colour like #5b8def' }).waitFor()

  await material.getByTestId('json').fill('{"color": "#ff0000"}')
  await material.getByTestId('json-save').click()
  await material.getByTestId('component-error').waitFor({ state: 'detached' })
  await saved(page)
  const { items } = await here.server.api('GET', `/spaces/${id}/entities`)
  assert.deepEqual(items[0].components.material, { color: '#ff0000' })
})

test('a component of my own is added, edited as fields and removed', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await add(page, 'empty')
  await page.getByTestId('add-component').click()
  await page.getByTestId('component-name').fill('score')
  await page.keyboard.press('Enter')
  const score = page.locator('[data-component=score]')
  await score.getByTestId('as-json').click()
  await score.getByTestId('json').fill('{"points": 3}')
  await page.keyboard.press('Control+Enter')
  await score.getByTestId('as-json').click()
  await score.getByLabel('points').fill('4')
  await page.keyboard.press('Enter')
  await saved(page)
  const [entity] = (await here.server.api('GET', `/spaces/${id}/entities`)).items
  assert.deepEqual(entity.components.score, { points: 4 })
  await score.getByTestId('remove-component').click()
  await score.waitFor({ state: 'detached' })
})

test('the name of a space is changed in its top bar', async () => {
  const id = await makeSpace(here.server, 'Old name')
  const page = await here.person()
  await enter(page, id)
  const renamed = page.waitForResponse((response) => response.request().method() === 'PATCH')
  await page.getByTestId('space-name').fill('New name')
  await page.keyboard.press('Enter')
  assert.equal((await renamed).status(), 200)
  assert.equal((await here.server.api('GET', `/spaces/${id}`)).name, 'New name')
})

test('what a program writes over HTTP appears in the page', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person()
  await enter(page, id)
  await here.server.api('PUT', `/spaces/${id}/entities/lamp`, { components: { light: { kind: 'spot' } } })
  await row(page, 'Light').waitFor()
})
