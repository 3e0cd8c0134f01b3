// One browser per test file, one context per person. A context fails its test when a page of it complains: an error in
// the console, an exception, a breach of the content security policy.
import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'
import { chromium } from 'playwright-core'
import { startThexr } from './thexr.mjs'

const waitMsMax = 15_000

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** What Chromium itself writes when a server does not answer. Only tests that take the server away expect it. */
const networkNoise =
  /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INTERNET_DISCONNECTED|ERR_EMPTY_RESPONSE|WebSocket connection to/
const refusalNoise = /status of 4\d\d/

/**
 * Sets up a server and a browser for the tests of a file. `person()` is a new context with a page; everything a test
 * opened is closed after it.
 */
export function stage() {
  const here = { server: null, browser: null, person }
  let people = []
  let complaints = []

  before(async () => {
    here.server = await startThexr()
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
    here.browser = await chromium.launch({ executablePath, args, timeout: 60_000 })
  })
  after(async () => {
    await here.browser?.close()
    await here.server?.stop()
  })
  afterEach(async () => {
    const [closing, heard] = [people, complaints]
    people = []
    complaints = []
    await Promise.all(closing.map((context) => context.close()))
    assert.deepEqual(heard, [], 'the page complained')
  })

  async function person({ serverGoes = false, refused = false, ...options } = {}) {
    const context = await here.browser.newContext({
      baseURL: here.server.url,
      viewport: { width: 1280, height: 800 },
      reducedMotion: 'reduce',
      ...options,
    })
    people.push(context)
    context.setDefaultTimeout(waitMsMax)
    const complain = (text) => {
      if (serverGoes && networkNoise.test(text)) return
      if (refused && refusalNoise.test(text)) return
      complaints.push(text)
    }
    // A breach is an error in the console as well; this names what was refused.
    await context.exposeFunction('complainOfPolicy', complain)
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) =>
        globalThis.complainOfPolicy(
          `${event.effectiveDirective} refused ${event.blockedURI} at ${event.sourceFile}`,
        ),
      )
    })
    context.on('weberror', (error) => complain(`exception: ${error.error().stack}`))
    context.on('console', (message) => {
      if (message.type() === 'error') complain(`console: ${message.text()} (${message.location().url})`)
    })
    return context.newPage()
  }
  return here
}

/** True while the page has a document that is wider than its window. */
export const scrollsSideways = (page) =>
  page.evaluate(() => {
    const root = document.scrollingElement
    return root.scrollWidth > root.clientWidth
  })
