// What people do in a space, and what the page then holds.
import { randomBytes } from 'node:crypto'

export const freshId = () => `t-${randomBytes(6).toString('hex')}`

/** Makes a space over the API and gives its id. */
export async function makeSpace(server, name) {
  const id = freshId()
  await server.api('POST', '/spaces', { id, ...(name && { name }) })
  return id
}

/** Opens the space and waits until it is in step with the server. */
export async function enter(page, id) {
  await page.goto(`/#/s/${id}`)
  await page.getByTestId('board-canvas').waitFor()
  await page.evaluate(() => window.thexr.space.synced)
}

/** What this person is called from the next page on. */
export const call = (page, name, user) =>
  page.addInitScript(
    ([name, user]) => {
      localStorage.setItem('thexr:given-name', name)
      if (user) localStorage.setItem('thexr:user', user)
    },
    [name, user],
  )

/** Waits until the page counts this many people in the space. */
export const counts = (page, people) =>
  page.locator(`[data-testid=people-button][data-count="${people}"]`).waitFor()

/** Lets so many people into the space, each with a window of their own in one context. */
export async function crowd(first, id, count) {
  const names = [
    'Ana Lima',
    'Ben Okri',
    'Chloé',
    'Dariush',
    'Eda Öz',
    'Femi',
    '田中 花子',
    'Hugo van der Meer',
  ]
  for (let n = 0; n < count; n++) {
    const page = n === 0 ? first : await first.context().newPage()
    await call(page, names[n] ?? `Guest ${n}`, `crowd-${n}`)
    await enter(page, id)
  }
}

/** The space says this of what was written so far, and then so does the page, which is a frame behind. */
async function saveState(page, wanted) {
  await page.waitForFunction((state) => window.thexr?.space.saveState === state, wanted)
  await page.locator(`[data-testid=save-pill][data-state=${wanted}]`).waitFor()
}
export const isSaved = (page) => saveState(page, 'saved')
export const isLocal = (page) => saveState(page, 'local')
export const isOnline = (page) => page.locator('[data-testid=connection][data-state=online]').waitFor()
export const hasStrokes = (page, count) =>
  page.locator(`[data-testid=board-canvas][data-strokes="${count}"]`).waitFor()

/** The row of an entity in the outline. */
export const row = (page, name) => page.getByTestId('entity-row').filter({ hasText: name })

/** Everything this person wrote is on the server's disk. */
export const saved = (page) => page.evaluate(() => window.thexr.space.saved({ timeout: 15_000 }))

/** Adds an entity through the menu, and leaves it chosen. */
export async function add(page, kind) {
  await page.getByTestId('new-entity').click()
  await page.getByTestId(`new-${kind}`).click()
}

/** Draws one line with the mouse. `at` moves it, in parts of the board. */
export async function draw(page, at = 0.3) {
  const box = await page.getByTestId('board-canvas').boundingBox()
  const x = (part) => box.x + box.width * part
  const y = (part) => box.y + box.height * part
  await page.mouse.move(x(0.3), y(at))
  await page.mouse.down()
  await page.mouse.move(x(0.45), y(at + 0.1), { steps: 4 })
  await page.mouse.move(x(0.6), y(at), { steps: 4 })
  await page.mouse.up()
}

/** All content as plain data: entities by id, and the strokes of every board in their order. */
export const contents = (page) => page.evaluate(readContents)

function readContents() {
  const { space } = window.thexr
  const entities = {}
  for (const entity of [...space.entities].sort((a, b) => (a.id < b.id ? -1 : 1)))
    entities[entity.id] = entity.toJSON()
  const strokes = {}
  for (const id of Object.keys(entities)) {
    const ids = space.board(id).strokes.map((stroke) => stroke.id)
    if (ids.length > 0) strokes[id] = ids
  }
  return { entities, strokes }
}

/** Waits until the page holds exactly this many entities and strokes on the main board. */
export const holds = (page, entities, strokes) =>
  page.waitForFunction(
    ([entities, strokes]) => {
      const { space } = window.thexr ?? {}
      return space && space.entities.size === entities && space.board('board').strokes.length === strokes
    },
    [entities, strokes],
  )
