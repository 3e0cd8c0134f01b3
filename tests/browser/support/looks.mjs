// States of the page, each seen in both colour schemes and on phones: no serious finding of axe, no sideways scrolling.
// With THEXR_SHOTS a picture of each is left in that folder.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { scrollsSideways } from './browser.mjs'

const shots = process.env.THEXR_SHOTS
let axe = ''
before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  if (shots) await mkdir(shots, { recursive: true })
})

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
/** Windows, and the looks each is seen in: a name for the picture, the scheme, the width where it differs. */
const windows = [
  [
    {},
    [
      ['light', 'light'],
      ['dark', 'dark'],
    ],
  ],
  [
    phone,
    [
      ['phone', 'light'],
      ['phone-dark', 'dark'],
      ['narrow', 'light', 320],
    ],
  ],
]

/** Rules of axe with serious or critical findings, and where. */
async function findings(page) {
  await page.evaluate(axe)
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document))
  assert.ok(passes.length >= 10, `axe looked at ${passes.length} rules only`)
  return violations
    .filter((each) => ['serious', 'critical'].includes(each.impact))
    .map(
      (each) => `${each.id}: ${each.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`,
    )
}

/** `states` says how to get a page into each state; each returns when the state is there. */
export function looksGood(here, states) {
  for (const [state, reach] of Object.entries(states)) {
    test(`${state} is accessible and fits its window, light, dark and on phones`, async () => {
      for (const [options, looks] of windows) {
        const page = await here.person({ ...options, serverGoes: true, refused: true })
        await reach(page)
        for (const [look, colorScheme, width] of looks) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
          if (width) await page.setViewportSize({ width, height: 640 })
          // Two frames: what follows the scheme and the size has been drawn.
          await page.evaluate(
            () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
          )
          if (shots) await page.screenshot({ path: join(shots, `${state}-${look}.png`) })
          assert.deepEqual(await findings(page), [], `axe, ${look}`)
          assert.equal(await scrollsSideways(page), false, `${look} scrolls sideways`)
        }
        await page.context().close()
      }
    })
  }
}
