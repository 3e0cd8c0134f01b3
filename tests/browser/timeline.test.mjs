// The timeline: the past of a space, with the keyboard, by a link, on every kind of window, and when it is long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from './support/browser.mjs'
import { looksGood } from './support/looks.mjs'
import { call, draw, enter, hasStrokes, makeSpace, row, saved } from './support/space.mjs'

const here = stage()

/** Four things come, one is moved, one goes: events 1 to 6. */
async function furnish(name) {
  const id = await makeSpace(here.server, name)
  const put = (entity, components) =>
    here.server.api('PUT', `/spaces/${id}/entities/${entity}`, { components })
  const transform = { pos: [0, 1, 0], rot: [0, 0, 0, 1] }
  for (const entity of ['Lamp', 'Table', 'Chair', 'Plant'])
    await put(entity.toLowerCase(), { name: entity, transform, shape: { kind: 'box' } })
  await here.server.api('PATCH', `/spaces/${id}/entities/lamp/components/transform`, { pos: [3, 1, 0] })
  await here.server.api('DELETE', `/spaces/${id}/entities/chair`)
  return id
}

/** Waits until the space has this many events, and tells how many it has. */
async function reaches(id, seq) {
  for (const end = Date.now() + 60_000; ;) {
    const info = await here.server.api('GET', `/spaces/${id}`)
    if (info.seq >= seq) return info.seq
    assert.ok(Date.now() < end, `${id} has ${info.seq} events and not ${seq}`)
    await new Promise((done) => setTimeout(done, 100))
  }
}

const slider = (page) => page.getByTestId('timeline-slider')
const open = async (page) => {
  await page.keyboard.press('t')
  await page.locator('[data-testid=timeline-slider]:focus').waitFor()
}
/** The page shows the state after this event, and the timeline says so. */
const looksAt = async (page, seq) => {
  await page.locator(`[data-testid=timeline-at][data-now=false][data-seq="${seq}"]`).waitFor()
  await page.locator('[data-testid=past-banner][data-settled=true]').waitFor()
}
const isNow = async (page) => {
  await page.getByTestId('past-banner').waitFor({ state: 'detached' })
  await page.locator('[data-testid=timeline-at][data-now=true]').waitFor()
}
/** The outline has rows for exactly these. */
const outlined = (page, names) =>
  page.waitForFunction(
    (names) => {
      const rows = [...document.querySelectorAll('[data-testid=entity-row] .row-name')]
      return (
        rows
          .map((row) => row.textContent)
          .sort()
          .join() === names
      )
    },
    [...names].sort().join(),
  )

test('the past is visited, restored and left without a pointer', async () => {
  const id = await furnish('By keyboard')
  const page = await here.person()
  await enter(page, id)
  await outlined(page, ['Lamp', 'Table', 'Plant'])
  await open(page)
  await isNow(page)
  assert.match(await slider(page).getAttribute('aria-valuetext'), /^Now, event \d+$/)

  // From the beginning, event by event.
  await page.keyboard.press('Home')
  await looksAt(page, 0)
  await page.getByTestId('outline-empty').waitFor()
  await page.keyboard.press('ArrowRight')
  await looksAt(page, 1)
  await outlined(page, ['Lamp'])
  assert.match(await slider(page).getAttribute('aria-valuetext'), /^\d\d:\d\d:\d\d, event 1$/)
  for (let n = 0; n < 3; n++) await page.keyboard.press('ArrowRight')
  await looksAt(page, 4)
  await outlined(page, ['Lamp', 'Table', 'Chair', 'Plant'])
  await page.getByTestId('happened').getByText('A program added Plant').waitFor()
  await page.keyboard.press('ArrowLeft')
  await looksAt(page, 3)
  await outlined(page, ['Lamp', 'Table', 'Chair'])
  await page.keyboard.press('ArrowRight')
  await looksAt(page, 4)

  // Nothing of it can be changed: no way to add, to delete, to draw or to undo.
  assert.equal(await page.getByTestId('new-entity').count(), 0)
  assert.equal(await page.getByTestId('board-tools').count(), 0)
  assert.equal(await page.getByTestId('save-pill').count(), 0)
  assert.equal(await page.getByTestId('undo').isDisabled(), true)
  await row(page, 'Chair').press('Enter')
  await page.locator('#inspector:focus').waitFor()
  assert.equal(await page.getByTestId('delete-entity').count(), 0)

  // Back to the present by restoring: what changes is said before it does.
  await page.getByTestId('restore').press('Enter')
  await page.locator('[data-testid=restore-diff][data-ready=true]').waitFor()
  assert.match(await page.getByTestId('restore-diff').textContent(), /1 entity comes back, 1 changes/)
  await page.keyboard.press('Escape')
  await page.getByTestId('restore-dialog').waitFor({ state: 'detached' })
  await looksAt(page, 4)
  await page.getByTestId('restore').press('Enter')
  await page.locator('[data-testid=restore-go]:enabled').press('Enter')
  await isNow(page)
  await outlined(page, ['Lamp', 'Table', 'Chair', 'Plant'])
  await page.waitForFunction(() => window.thexr.space.entities.get('lamp')?.get('transform').pos[0] === 0)

  await page.getByTestId('toast').getByRole('button', { name: 'Undo' }).press('Enter')
  await outlined(page, ['Lamp', 'Table', 'Plant'])
  await page.waitForFunction(() => window.thexr.space.entities.get('lamp')?.get('transform').pos[0] === 3)

  // Escape leaves the past, and then the timeline.
  await slider(page).press('Home')
  await looksAt(page, 0)
  await page.keyboard.press('Escape')
  await isNow(page)
  await page.keyboard.press('Escape')
  await page.getByTestId('timeline').waitFor({ state: 'detached' })
})

test('a link leads to a moment, for whoever opens it', async () => {
  const id = await furnish('Linked')
  const page = await here.person({ permissions: ['clipboard-read', 'clipboard-write'] })
  await enter(page, id)
  await open(page)
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  await looksAt(page, 2)
  await page.waitForURL(`**/#/s/${id}/at/2`)
  await page.getByTestId('share-moment').press('Enter')
  await page
    .getByTestId('toast')
    .getByText(/^Link to .* copied/)
    .waitFor()
  const link = await page.evaluate(() => navigator.clipboard.readText())
  assert.equal(link, page.url())

  const other = await here.person()
  await other.goto(link)
  await looksAt(other, 2)
  await outlined(other, ['Lamp', 'Table'])
  await other.getByTestId('back-to-now').press('Enter')
  await isNow(other)
  await outlined(other, ['Lamp', 'Table', 'Plant'])
  await other.waitForURL(`**/#/s/${id}`)
  // Typed over the address of a page that is open, and to a moment that there is not.
  await other.evaluate((id) => (location.hash = `#/s/${id}/at/3`), id)
  await looksAt(other, 3)
  await outlined(other, ['Lamp', 'Table', 'Chair'])
  await other.evaluate((id) => (location.hash = `#/s/${id}/at/999999`), id)
  await other.getByTestId('past-banner').getByText('There is no such moment').waitFor()
  await other.getByTestId('back-to-now').press('Enter')
  await isNow(other)
})

test('the past is seen while the present goes on, and a fork begins with it', async () => {
  const id = await furnish('Forked')
  const [ana, ben] = [await here.person(), await here.person()]
  await call(ana, 'Ana', 'u-ana')
  await call(ben, 'Ben', 'u-ben')
  await enter(ana, id)
  await enter(ben, id)
  await draw(ben)
  await hasStrokes(ana, 1)
  await saved(ben)
  await open(ana)
  await slider(ana).press('Home')
  await looksAt(ana, 0)
  await hasStrokes(ana, 0)
  await slider(ana).press('ArrowRight')
  await looksAt(ana, 1)
  await ben.evaluate(() => void window.thexr.space.entities.create({ name: 'Rug' }, { id: 'rug' }))
  await ana.waitForFunction(() => window.thexr.space.entities.has('rug'))
  await outlined(ana, ['Lamp'])
  // Nobody was there when the lamp came.
  assert.match(await ana.getByTestId('people-button').getAttribute('aria-label'), /nobody at that time/)

  await ana.getByTestId('fork').press('Enter')
  await ana.waitForURL((url) => !url.hash.includes(id))
  await outlined(ana, ['Lamp'])
  assert.match(await ana.getByTestId('space-name').inputValue(), /^Forked at \d\d:\d\d:\d\d$/)
  await outlined(ben, ['Lamp', 'Table', 'Plant', 'Whiteboard', 'Rug'])
})

test('a session is played back with the people who were in it, where they stood', async () => {
  const id = await furnish('Played')
  const [ana, ben] = [await here.person(), await here.person()]
  await call(ana, 'Ana', 'u-ana')
  await call(ben, 'Ben', 'u-ben')
  await enter(ben, id)
  await ben.keyboard.press('m')
  await ben.locator('[data-testid=map-canvas]:focus').waitFor()
  const me = ben.locator('[data-testid=map-member][data-me=true][data-x]')
  await me.waitFor({ state: 'attached' })
  const start = Number(await me.getAttribute('data-x'))
  await ben.keyboard.down('ArrowRight')
  await ben.waitForFunction(
    (x) => Number(document.querySelector('[data-testid=map-member][data-me=true]').dataset.x) > x + 4,
    start,
  )
  await ben.keyboard.up('ArrowRight')
  // Where people were is written in pieces, each of which is an event that the journal does not show.
  await reaches(id, (await reaches(id, 7)) + 1)
  await ben.evaluate(() => void window.thexr.space.entities.create({ name: 'Rug' }, { id: 'rug' }))
  await saved(ben)

  await enter(ana, id)
  await ana.keyboard.press('m')
  await ana.getByTestId('map-in').waitFor()
  await open(ana)
  await ana.keyboard.press('Home')
  for (let n = 0; n < 6; n++) await ana.keyboard.press('ArrowRight')
  await looksAt(ana, 6)
  await outlined(ana, ['Lamp', 'Table', 'Plant'])
  assert.equal(await ana.getByTestId('map-member').count(), 0)
  await ana.keyboard.press('Space')
  // Ben comes, stands somewhere, and walks.
  const then = ana.locator('[data-testid=map-member][data-name=Ben][data-me=false][data-x]')
  await then.waitFor({ state: 'attached' })
  const x = Number(await then.getAttribute('data-x'))
  await ana.waitForFunction(
    ([node, x]) => Math.abs(Number(node.dataset.x) - x) > 0.5,
    [await then.elementHandle(), x],
  )
  await ana.keyboard.press('Space')
  await ana.locator('[data-testid=play][aria-pressed=false]').waitFor()
  assert.equal(await ana.getByTestId('past-banner').count(), 1)
  await ana.getByTestId('people-button').press('Enter')
  await ana.getByTestId('person').filter({ hasText: 'Ben' }).waitFor()
  await ana.keyboard.press('Escape')
  // Faster, to the end: that is now.
  await slider(ana).focus()
  for (let n = 0; n < 9; n++) await ana.keyboard.press(']')
  assert.equal(await ana.getByTestId('speed').inputValue(), '64')
  await ana.keyboard.press('Space')
  await isNow(ana)
  await outlined(ana, ['Lamp', 'Table', 'Plant', 'Rug'])
})

test('a replay that has not begun or is closed leaves the page at a moment', async () => {
  const id = await furnish('Interrupted')
  const page = await here.person()
  let silent = true
  await page.routeWebSocket(/\/replay\//, (near) => {
    if (silent) return
    const far = near.connectToServer()
    far.onMessage((message) => {
      near.send(message)
      // The first position.
      if (message[0] === 103 && message[2] === 0x82) void near.close({ code: 4404, reason: 'no_space' })
    })
  })
  await enter(page, id)
  await open(page)
  const play = (pressed) => page.locator(`[data-testid=play][aria-pressed=${pressed}]`).waitFor()
  await page.keyboard.press('Space')
  await play(true)
  await page.keyboard.press('Space')
  await play(false)
  await page.locator('[data-testid=past-banner][data-settled=true]').waitFor()
  // Not before everything: the first moment is that of the first event.
  await page.locator('[data-testid=entity-row]').filter({ hasText: 'Lamp' }).waitFor()
  silent = false
  await page.keyboard.press('Space')
  await play(false)
  await page.getByTestId('past-retry').waitFor()
})

test('a history of thousands of edits is scrubbed without a stall', async () => {
  const id = await makeSpace(here.server, 'Long')
  const page = await here.person()
  await enter(page, id)
  const count = await page.evaluate(manyEdits, [id, 6000])
  await reaches(id, count)
  await page.reload()
  await page.getByTestId('board-canvas').waitFor()
  await open(page)
  const box = await slider(page).boundingBox()
  const [left, right, y] = [box.x + box.width * 0.12, box.x + box.width * 0.85, box.y + 20]
  await page.evaluate(() => {
    const note = (list) => globalThis.long.push(...list.getEntries().map((each) => Math.round(each.duration)))
    new PerformanceObserver(note).observe({ type: 'longtask' })
    const canvas = document.querySelector('[data-testid=board-canvas]')
    const look = () => globalThis.seen.add(canvas.dataset.strokes)
    new MutationObserver(look).observe(canvas, { attributes: true, attributeFilter: ['data-strokes'] })
  })
  // What stalls does so each time; what the machine does meanwhile does not.
  const rounds = []
  for (let round = 0; round < 5 && !rounds.some((long) => long.every((each) => each < 200)); round++) {
    await page.evaluate(() => ([globalThis.long, globalThis.seen] = [[], new Set()]))
    await page.mouse.move(left, y)
    await page.mouse.down()
    for (const x of [right, left, right]) await page.mouse.move(x, y, { steps: 60 })
    await page.mouse.up()
    await page.locator('[data-testid=past-banner][data-settled=true]').waitFor()
    rounds.push(await page.evaluate(() => globalThis.long))
    const seen = await page.evaluate(() => globalThis.seen.size)
    assert.ok(seen > 3, `the picture changed ${seen} times on the way`)
  }
  assert.ok(
    rounds.some((long) => long.every((each) => each < 200)),
    `every scrub had tasks of more than 200 ms: ${JSON.stringify(rounds)}`,
  )
})

/** Runs in the page: so many updates of one document, each sent for itself, as fast as the server takes them. */
async function manyEdits([id, count]) {
  const { space } = window.thexr
  space.disconnect()
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/sync/${id}?user=writer`)
  await new Promise((done) => socket.addEventListener('open', done))
  space.doc.on('update', (update) => {
    const length = [update.length]
    while (length.at(-1) > 127) length.splice(-1, 1, (length.at(-1) & 127) | 128, length.at(-1) >>> 7)
    socket.send(new Uint8Array([0, 2, ...length, ...update]))
  })
  for (let n = 0; n < 20; n++) space.entities.create({ name: `Thing ${n}`, n: 0 }, { id: `e${n}` })
  const board = space.board('board')
  for (let n = 20; n < count; n++) {
    if (n % 20 === 0) {
      const pen = board.begin({ color: '#c8372d', size: 4 })
      for (let k = 0; k < 8; k++) pen.append((n % 400) + k, n / 20 + k, 0.5)
      pen.end()
    } else space.entities.get(`e${n % 20}`).set('n', n)
    if (n % 100 === 0) await new Promise((done) => setTimeout(done, 0))
  }
  return count
}

/** Opens the timeline by its button, which works with a finger too. */
async function openByTap(page) {
  await page.getByTestId('history').click()
  await slider(page).waitFor()
}
async function intoThePast(page) {
  const id = await furnish('Studio with a rather long name')
  await call(page, 'Ana', 'u-ana')
  await enter(page, id)
  await draw(page)
  await hasStrokes(page, 1)
  await saved(page)
  await openByTap(page)
  await slider(page).press('Home')
  for (let n = 0; n < 4; n++) await page.getByTestId('step-on').click()
  await looksAt(page, 4)
}

looksGood(here, {
  'timeline-now': async (page) => {
    await enter(page, await furnish('Studio'))
    await openByTap(page)
    await isNow(page)
  },
  'timeline-past': intoThePast,
  'timeline-restore': async (page) => {
    await intoThePast(page)
    await page.getByTestId('restore').click()
    await page.locator('[data-testid=restore-diff][data-ready=true]').waitFor()
  },
  'timeline-empty': async (page) => {
    await enter(page, await makeSpace(here.server))
    await openByTap(page)
    await page.getByTestId('timeline-empty').waitFor()
  },
  'timeline-pruned': async (page) => {
    const id = await furnish('Pruned')
    await page.route('**/activity?*', async (route) => {
      const response = await route.fetch()
      await route.fulfill({ response, json: { ...(await response.json()), oldest_seq: 2, seq_from: 2 } })
    })
    await enter(page, id)
    await openByTap(page)
    await page.getByTestId('timeline-pruned').waitFor()
    await slider(page).press('Home')
    await looksAt(page, 2)
  },
  'timeline-loading': async (page) => {
    await page.route('**/activity?*', () => {})
    await enter(page, await furnish('Studio'))
    await page.getByTestId('history').click()
    await page.getByTestId('timeline-loading').waitFor()
  },
  'timeline-failed': async (page) => {
    await page.route('**/activity?*', (route) => route.abort('connectionrefused'))
    await enter(page, await furnish('Studio'))
    await page.getByTestId('history').click()
    await page.getByTestId('timeline-failed').waitFor()
  },
  'timeline-unreachable': async (page) => {
    await page.route('**/document?*', (route) => route.abort('connectionrefused'))
    await enter(page, await furnish('Studio'))
    await openByTap(page)
    await slider(page).press('Home')
    await page.getByTestId('past-banner').getByText('The server does not answer').waitFor()
  },
})
