import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSession } from './support/app.ts'
import { launchBrowser, openWindow, watchConsole } from './support/browser.ts'
import { type Demo, startDemo, temporaryDataDir } from './support/demo.ts'

// The first rows of the example app come with its HTML, as data.

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>
let demo: Demo
let browser: Browser

beforeAll(async () => {
  dataDir = await temporaryDataDir()
  demo = await startDemo({ dataDir: dataDir.path })
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await demo?.stop()
  await dataDir?.remove()
})

interface Observed {
  readonly counts: number[]
}

test('the HTML holds the newest sessions, and the live list takes over without a gap', async () => {
  const { context, page: first } = await openWindow(browser, demo.url, 'ann')
  const id = await createSession(first, 'Rendered on the server')
  await first.getByTestId(`session-${id}`).waitFor()
  await expect
    .poll(async () => (await context.request.get(demo.url)).text())
    .toContain('Rendered on the server')

  const page = await context.newPage()
  const complaints = watchConsole(page)
  await page.addInitScript(() => {
    const counts: number[] = []
    Object.assign(window, { counts })
    const count = () => document.querySelectorAll('[data-testid="session-list"] li').length
    new MutationObserver(() => counts.push(count())).observe(document, {
      childList: true,
      subtree: true,
    })
  })
  await page.goto(demo.url)
  await page.locator('[data-testid="sync-status"][data-state="synced"]').waitFor()
  await page.getByTestId(`session-${id}`).getByText(/\d/).first().waitFor()
  const counts = await page.evaluate(() => (window as unknown as Observed).counts)
  const shown = counts.slice(counts.findIndex((count) => count > 0))
  expect(shown.length).toBeGreaterThan(0)
  expect(Math.min(...shown)).toBe(await page.locator('[data-testid="session-list"] li').count())
  expect(complaints).toEqual([])

  // Another user's page never has them.
  const other = await openWindow(browser, demo.url, 'bob')
  expect(await (await other.context.request.get(demo.url)).text()).not.toContain(
    'Rendered on the server',
  )
})
