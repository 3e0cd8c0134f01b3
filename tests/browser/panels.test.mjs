// What stands where a space would be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from './support/browser.mjs'
import { add, enter, freshId, isOnline, isSaved, makeSpace, row, saved } from './support/space.mjs'

const here = stage()
const ids = async () => (await here.server.api('GET', '/spaces')).items.map((each) => each.id)

test('a link to no space says so and makes none', async () => {
  const page = await here.person({ refused: true })
  const id = freshId()
  await page.goto(`/#/s/${id}`)
  await page.getByTestId('space-missing').filter({ hasText: id }).waitFor()
  assert.equal((await ids()).includes(id), false)
  await page.getByRole('link', { name: 'All spaces' }).click()
  await page.getByRole('heading', { name: 'Spaces' }).waitFor()
  assert.equal((await ids()).includes(id), false)
})

test('a missing space is made when I ask for it', async () => {
  const page = await here.person({ refused: true })
  const id = freshId()
  await page.goto(`/#/s/${id}`)
  await page.getByTestId('create-missing').click()
  await page.getByTestId('board-empty').waitFor()
  await isOnline(page)
  assert.equal((await ids()).includes(id), true)
})

test('a link that cannot be the name of a space says what a name looks like', async () => {
  const page = await here.person()
  await page.goto('/#/s/No%20such%20Space')
  await page.getByTestId('space-missing').filter({ hasText: '1 to 64 lower-case letters' }).waitFor()
  assert.equal(await page.getByTestId('create-missing').count(), 0)
})

test('whoever is in a space that is deleted is told, and the page does not bring it back', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ refused: true })
  await enter(page, id)
  await here.server.api('DELETE', `/spaces/${id}`)
  const panel = page.getByTestId('closed')
  await panel.getByRole('heading', { name: 'This space is gone' }).waitFor()
  assert.equal((await ids()).includes(id), false)
  await panel.getByRole('link', { name: 'All spaces' }).click()
  await page.getByRole('heading', { name: 'Spaces' }).waitFor()
  assert.equal((await ids()).includes(id), false)
})

test('connecting to a deleted space again offers to make it from what this browser kept', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ refused: true, serverGoes: true })
  await enter(page, id)
  await add(page, 'box')
  await saved(page)
  await here.server.api('DELETE', `/spaces/${id}`)
  await page.getByTestId('closed').getByRole('button', { name: 'Connect again' }).click()
  await page.getByTestId('space-missing').filter({ hasText: 'It was deleted' }).waitFor()
  assert.equal((await ids()).includes(id), false)
  await page.getByTestId('create-missing').click()
  await row(page, 'Box').waitFor()
  await isSaved(page)
  const { items } = await here.server.api('GET', `/spaces/${id}/entities`)
  assert.equal(items.length, 1)
})

test('a part of the page that is not there is a 404 and not the page', async () => {
  for (const path of ['/assets/none.js', '/s/none', '/favicon.ico']) {
    const response = await fetch(`${here.server.url}${path}`)
    assert.equal(response.status, 404, path)
    assert.match(response.headers.get('content-type'), /problem\+json/)
  }
})

test('a space that was made anew does not get my old copy unless I say so', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ refused: true, serverGoes: true })
  await enter(page, id)
  await add(page, 'box')
  await saved(page)
  await page.evaluate(() => window.thexr.space.disconnect())
  await here.server.api('DELETE', `/spaces/${id}`)
  await here.server.api('POST', '/spaces', { id })
  await page.evaluate(() => window.thexr.space.connect())
  const panel = page.getByTestId('closed')
  await panel.getByRole('heading', { name: 'This space was made anew' }).waitFor()
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('button', { name: 'Download my copy' }).click(),
  ])
  assert.equal(file.suggestedFilename(), `${id}.yjs`)
  await panel.getByRole('button', { name: 'Open it as it is now' }).click()
  await page.getByTestId('board-empty').waitFor()
  await isOnline(page)
  const { items } = await here.server.api('GET', `/spaces/${id}/entities`)
  assert.equal(items.length, 0)
  const kept = await page.evaluate(async () => (await window.thexr.space.keptCopies()).length)
  assert.equal(kept, 1)
})
