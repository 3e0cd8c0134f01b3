// The network goes, the server dies, the tab is closed: nothing that somebody wrote is lost.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { stage } from './support/browser.mjs'
import {
  add,
  contents,
  draw,
  enter,
  hasStrokes,
  holds,
  isLocal,
  isOnline,
  isSaved,
  makeSpace,
  row,
  saved,
} from './support/space.mjs'

const here = stage()
let serverIsDead = false
const kill = () => {
  serverIsDead = true
  return here.server.kill()
}
const restart = async () => {
  await here.server.restart()
  serverIsDead = false
}
afterEach(async () => {
  if (serverIsDead) await restart()
})

/** Does now what the page would do when its wait is over. */
const retry = (page) => page.evaluate(() => window.thexr.space.reconnect())

test('edits made without a network stay on this device and are saved when it is back', async () => {
  const id = await makeSpace(here.server)
  const [ana, ben] = await Promise.all([here.person({ serverGoes: true }), here.person()])
  await Promise.all([enter(ana, id), enter(ben, id)])
  await draw(ana, 0.3)
  await hasStrokes(ben, 1)
  await isSaved(ana)

  // The socket stays open and falls silent: only the heartbeat can tell.
  await ana.context().setOffline(true)
  await draw(ana, 0.5)
  await add(ana, 'box')
  await ana.getByTestId('offline').filter({ hasText: 'kept on this device' }).waitFor()
  await isLocal(ana)
  assert.equal(await ana.getByTestId('save-pill').getAttribute('data-pending'), '2')
  assert.equal(await ben.evaluate(() => window.thexr.space.board('board').strokes.length), 1)
  await draw(ben, 0.7)
  await isSaved(ben)

  await ana.context().setOffline(false)
  await isSaved(ana)
  await Promise.all([holds(ana, 2, 3), holds(ben, 2, 3)])
  await ana.getByTestId('offline').waitFor({ state: 'detached' })
  assert.deepEqual(await contents(ana), await contents(ben))
})

test('the server is killed in the middle of edits and comes back: both people and the server agree, nothing is lost', async () => {
  const id = await makeSpace(here.server)
  const people = await Promise.all([here.person({ serverGoes: true }), here.person({ serverGoes: true })])
  await Promise.all(people.map((page) => enter(page, id)))
  await draw(people[0], 0.2)
  await hasStrokes(people[1], 1)

  // Forty strokes each, one a frame. The server dies when some of them are out, and the last fifteen come after that.
  const drawing = people.map((page) =>
    page.evaluate(async () => {
      const { space } = window.thexr
      const board = space.board('board')
      const lost = new Promise((resolve) =>
        space.on('status', ({ state }) => state !== 'online' && resolve()),
      )
      const ids = []
      for (let n = 0; n < 40; n++) {
        if (n === 25) await lost
        const pen = board.begin({ color: '#1d2129', size: 4 })
        for (let x = 0; x < 20; x++) pen.append(x * 10, n * 5)
        ids.push(pen.end().id)
        await new Promise(requestAnimationFrame)
      }
      return ids
    }),
  )
  await people[1].waitForFunction(() => window.thexr.space.board('board').strokes.length > 10)
  await kill()
  const ids = (await Promise.all(drawing)).flat()
  await Promise.all(
    people.map((page) => page.locator('[data-testid=save-pill]:not([data-state=saved])').waitFor()),
  )
  await Promise.all(people.map(isLocal))

  await restart()
  await Promise.all(people.map(retry))
  await Promise.all(people.map(isSaved))
  await Promise.all(people.map((page) => holds(page, 1, 81)))
  const [first, second] = await Promise.all(people.map(contents))
  assert.deepEqual(first, second)
  const seen = new Set(first.strokes.board)
  assert.equal(seen.size, 81, 'no stroke is there twice')
  assert.deepEqual(
    ids.filter((each) => !seen.has(each)),
    [],
  )
  const { entities, strokes } = await here.server.api('GET', `/spaces/${id}/document`)
  assert.deepEqual(entities, first.entities)
  assert.deepEqual(
    strokes.board.map((stroke) => stroke.id),
    first.strokes.board,
  )
})

test('the page finds a server that came back by itself', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ serverGoes: true })
  await enter(page, id)
  await kill()
  await page.locator('[data-testid=connection]:not([data-state=online])').waitFor()
  await add(page, 'light')
  await isLocal(page)
  await restart()
  await isOnline(page)
  await isSaved(page)
  assert.equal((await here.server.api('GET', `/spaces/${id}/entities`)).items.length, 1)
})

test('an edit made while the server is dead, in a tab that is closed, reaches the server with the next visit', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ serverGoes: true })
  await enter(page, id)
  await add(page, 'box')
  await saved(page)
  await kill()
  await page.locator('[data-testid=connection]:not([data-state=online])').waitFor()
  await add(page, 'sphere')
  await draw(page)
  await isLocal(page)
  const context = page.context()
  await page.close()
  await restart()
  const before = await here.server.api('GET', `/spaces/${id}/entities`)
  assert.equal(before.items.length, 1, 'the server cannot know yet')

  const next = await context.newPage()
  await enter(next, id)
  await isSaved(next)
  await row(next, 'Sphere').waitFor()
  await hasStrokes(next, 1)
  const { entities, strokes } = await here.server.api('GET', `/spaces/${id}/document`)
  assert.deepEqual(entities, (await contents(next)).entities)
  assert.equal(strokes.board.length, 1)
})

test('a space that is known here opens without the server, and says so', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ serverGoes: true })
  await enter(page, id)
  await draw(page)
  await saved(page)
  await page.goto('/#/')
  await page.getByTestId('space-card').first().waitFor()
  await kill()
  await page.goto(`/#/s/${id}`)
  await hasStrokes(page, 1)
  await page.getByTestId('offline').waitFor()
})

test('a list that does not load says why and offers to try again', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ serverGoes: true })
  await enter(page, id)
  await kill()
  await page.goto('/#/')
  await page.getByTestId('home-error').filter({ hasText: 'The server does not answer' }).waitFor()
  await restart()
  await page.getByTestId('retry').click()
  await page.getByTestId('space-card').first().waitFor()
})

test('an edit made offline does not flash “Not saved” while it is being stored here', async () => {
  const id = await makeSpace(here.server)
  const page = await here.person({ serverGoes: true })
  await enter(page, id)
  await kill()
  await page.locator('[data-testid=connection]:not([data-state=online])').waitFor()
  await page.evaluate(() => {
    globalThis.texts = []
    const pill = document.querySelector('[data-testid=save-pill]')
    new MutationObserver(() => globalThis.texts.push(pill.innerText)).observe(pill, {
      subtree: true,
      childList: true,
      characterData: true,
    })
  })
  await add(page, 'box')
  await page.getByTestId('save-pill').filter({ hasText: 'On this device' }).waitFor()
  assert.deepEqual(
    (await page.evaluate(() => globalThis.texts)).filter((text) => text.includes('Not saved')),
    [],
  )
})
