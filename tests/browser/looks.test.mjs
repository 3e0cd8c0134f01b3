// Every state of the page, in both colour schemes and on a phone: no serious finding of axe, no sideways scrolling, no
// complaint in the console. With THEXR_SHOTS a picture of each is left in that folder.
import { stage } from './support/browser.mjs'
import { looksGood } from './support/looks.mjs'
import {
  call,
  counts,
  crowd,
  draw,
  enter,
  freshId,
  hasStrokes,
  makeSpace,
  row,
  saved,
} from './support/space.mjs'

const here = stage()

/** A space with things in it and ink of two colours. */
async function furnish() {
  const id = await makeSpace(here.server, 'Studio with a rather long name')
  const put = (entity, components) =>
    here.server.api('PUT', `/spaces/${id}/entities/${entity}`, { components })
  const transform = { pos: [0, 1.25, -2], rot: [0, 0.3827, 0, 0.9239], scale: [1, 1, 1] }
  await put('table', { name: 'Table', transform, shape: { kind: 'box' }, material: { color: '#b5793c' } })
  await put('lamp', { parent: 'table', light: { kind: 'point', color: '#ffffff', intensity: 1 } })
  await put('note', { parent: 'table', text: { value: 'Bring the blue chair', size: 0.2 } })
  await put('ball', { shape: { kind: 'sphere' }, material: { color: '#e0729a' } })
  return id
}

/** Lets the page lose its sockets for good, as a cable that is pulled. Gives how to pull it. */
async function cable(page) {
  const gone = here.server.url.replace('http', 'ws')
  const sockets = new Set()
  let away = false
  // A real cable would be slower to pull: the page sees its sockets close and no new one open.
  await page.routeWebSocket(`${gone}/**`, (socket) => {
    if (away) return socket.close()
    sockets.add(socket)
    socket.connectToServer()
  })
  return async () => {
    away = true
    for (const socket of sockets) await socket.close()
    await page.getByTestId('offline').waitFor()
  }
}

/** The map as a tab on a phone, and as a switch elsewhere. */
async function openMap(page) {
  await page.getByTestId('view-map').click()
  await page.getByTestId('map-in').waitFor()
}

/** How to get a page into each state. Each returns when the state is there. */
const states = {
  'home-empty': async (page) => {
    await page.route('**/api/v1/spaces?*', (route) => route.fulfill({ json: { items: [], next: null } }))
    await page.goto('/')
    await page.getByTestId('home-empty').waitFor()
  },
  'home-list': async (page) => {
    const id = await furnish()
    await makeSpace(here.server, 'Gallery')
    await makeSpace(here.server)
    await enter(page, id)
    await draw(page)
    await hasStrokes(page, 1)
    await saved(page)
    await page.goto('/#/')
    await page.locator('.card img').first().waitFor()
  },
  'home-new': async (page) => {
    await page.goto('/')
    await page.getByTestId('new-space').click()
    await page.getByTestId('new-space-name').fill('Atelier')
  },
  'home-loading': async (page) => {
    await page.route('**/api/v1/spaces?*', () => {})
    await page.goto('/')
    await page.getByTestId('home-loading').waitFor()
  },
  'home-failed': async (page) => {
    await page.route('**/api/v1/spaces?*', (route) => route.abort('connectionrefused'))
    await page.goto('/')
    await page.getByTestId('home-error').waitFor()
  },
  'space-empty': async (page) => {
    await enter(page, await makeSpace(here.server, 'Fresh'))
    await page.getByTestId('board-tools').waitFor()
  },
  space: async (page) => {
    const phone = page.viewportSize().width < 720
    await enter(page, await furnish())
    await page.getByTestId('board-tools').waitFor()
    await draw(page, 0.25)
    await page.getByTestId('color-3').click()
    await draw(page, 0.45)
    await hasStrokes(page, 2)
    await saved(page)
    if (phone) return
    await row(page, 'Table').click()
    await page.locator('[data-component=transform]').waitFor()
  },
  'space-outline': async (page) => {
    const phone = page.viewportSize().width < 720
    await enter(page, await furnish())
    if (phone) await page.getByRole('button', { name: 'Outline' }).click()
    await row(page, 'Table').waitFor()
    await page.getByTestId('new-entity').click()
    await page.getByRole('menu').waitFor()
  },
  'space-inspector': async (page) => {
    const phone = page.viewportSize().width < 720
    await enter(page, await furnish())
    if (phone) await page.getByRole('button', { name: 'Outline' }).click()
    await row(page, 'Table').click()
    const material = page.locator('[data-component=material]')
    await material.getByTestId('as-json').click()
    await material.getByTestId('json').fill('{"color": ')
    await material.getByTestId('json-save').click()
    await material.getByTestId('component-error').waitFor()
    await page.getByTestId('add-component').click()
  },
  keys: async (page) => {
    await enter(page, await furnish())
    await page.keyboard.press('?')
    await page.getByRole('heading', { name: 'Keyboard' }).waitFor()
  },
  offline: async (page) => {
    const pull = await cable(page)
    await enter(page, await furnish())
    await draw(page, 0.3)
    await saved(page)
    await pull()
    await draw(page, 0.5)
    await page.locator('[data-testid=save-pill][data-state=local]').waitFor()
    await page.getByTestId('offline').filter({ hasText: 'kept on this device' }).waitFor()
  },
  people: async (page) => {
    const id = await furnish()
    await enter(page, id)
    await crowd(await here.person(), id, 7)
    await counts(page, 8)
    await page.getByTestId('people-button').click()
    await page.getByTestId('person').nth(7).waitFor()
  },
  'people-loading': async (page) => {
    await page.routeWebSocket('**/presence/**', () => {})
    await enter(page, await furnish())
    await page.getByTestId('people-button').click()
    await page.getByTestId('people-loading').waitFor()
  },
  'map-alone': async (page) => {
    await enter(page, await makeSpace(here.server, 'Fresh'))
    await openMap(page)
    await page.getByTestId('map-note').filter({ hasText: 'alone' }).waitFor()
  },
  'map-crowd': async (page) => {
    const id = await furnish()
    await enter(page, id)
    await crowd(await here.person(), id, 7)
    await openMap(page)
    await page.locator('[data-testid=map-member][data-x]').nth(7).waitFor({ state: 'attached' })
  },
  'map-loading': async (page) => {
    await page.routeWebSocket('**/presence/**', () => {})
    await enter(page, await furnish())
    await openMap(page)
    await page.getByTestId('map-note').filter({ hasText: 'Finding out' }).waitFor()
  },
  'map-offline': async (page) => {
    const id = await furnish()
    const pull = await cable(page)
    await enter(page, id)
    await crowd(await here.person(), id, 2)
    await openMap(page)
    await page.locator('[data-testid=map-member][data-x]').nth(2).waitFor({ state: 'attached' })
    await pull()
    await page.getByTestId('map-note').filter({ hasText: 'last saw' }).waitFor()
    await page.getByTestId('people-button').click()
    await page.locator('[data-testid=person][data-away=true]').nth(2).waitFor()
  },
  'board-shared': async (page) => {
    const id = await makeSpace(here.server, 'Shared')
    await enter(page, id)
    const ben = await here.person({ viewport: page.viewportSize() })
    await call(ben, 'Ben Okri')
    await enter(ben, id)
    await counts(ben, 2)
    const box = await ben.getByTestId('board-canvas').boundingBox()
    await ben.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.3)
    await ben.mouse.down()
    await ben.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.4, { steps: 8 })
    await page.locator('[data-testid=board-canvas][data-live="1"]').waitFor()
    await page.getByTestId('cursor').waitFor()
  },
  closed: async (page) => {
    const id = await makeSpace(here.server, 'Soon gone')
    await enter(page, id)
    await here.server.api('DELETE', `/spaces/${id}`)
    await page.getByTestId('closed').waitFor()
  },
  missing: async (page) => {
    await page.goto(`/#/s/${freshId()}`)
    await page.getByTestId('space-missing').waitFor()
  },
  loading: async (page) => {
    await page.route('**/api/v1/spaces/*', () => {})
    await page.goto(`/#/s/${await makeSpace(here.server)}`)
    await page.getByTestId('space-loading').waitFor()
  },
}

looksGood(here, states)
