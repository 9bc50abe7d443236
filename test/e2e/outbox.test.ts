import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Site, startSite } from './outbox/site.ts'
import { type KillableBrowser, startBrowserWithProfile } from './support/killable-browser.ts'

// The outbox with the IndexedDB, Web Locks and BroadcastChannel of a real browser.

interface State {
  readonly stored: number
  readonly refused: number
  readonly status: { readonly waiting: number; readonly failed: number }
  readonly failed: readonly string[]
  readonly title: string | null
  readonly shown: readonly string[]
}

interface TestPage {
  readonly testPage: {
    append(threadId: string, content: string): void
    rename(threadId: string, title: string): void
    flush(): void
    state(): Promise<State>
  }
}

let site: Site
let profile: string
let browser: KillableBrowser | undefined

beforeAll(async () => {
  site = await startSite()
  profile = await mkdtemp(join(tmpdir(), 'session-db-e2e-'))
})
afterAll(async () => {
  await browser?.kill()
  await site?.close()
  await rm(profile, { recursive: true, force: true, maxRetries: 20 })
})

async function openTab(): Promise<Page> {
  const page = await (browser as KillableBrowser).context.newPage()
  await page.goto(site.url)
  await page.waitForFunction(() => 'testPage' in window)
  return page
}

const stateOf = (page: Page) =>
  page.evaluate(() => (window as unknown as TestPage).testPage.state())
const append = (page: Page, content: string, threadId = 'th1') =>
  page.evaluate(
    (given) => (window as unknown as TestPage).testPage.append(given.threadId, given.content),
    { threadId, content },
  )
const rename = (page: Page, title: string) =>
  page.evaluate((given) => (window as unknown as TestPage).testPage.rename('th1', given), title)

test('offline writes survive a reload and a killed browser, and one tab sends each once', async () => {
  browser = await startBrowserWithProfile(profile)
  let page = await openTab()
  await expect.poll(async () => (await stateOf(page)).title).toBe('First')

  await browser.context.setOffline(true)
  for (const content of ['1', '2', '3']) await append(page, content)
  await rename(page, 'Second')
  await expect.poll(async () => (await stateOf(page)).stored).toBe(4)
  expect((await stateOf(page)).shown).toEqual(['1', '2', '3'])

  // The page loads again, but the server still refuses writes.
  site.takesWrites = false
  await browser.context.setOffline(false)
  await page.reload()
  await page.waitForFunction(() => 'testPage' in window)
  await expect.poll(async () => (await stateOf(page)).shown).toEqual(['1', '2', '3'])
  await expect.poll(async () => (await stateOf(page)).title).toBe('Second')
  await append(page, '4')
  await append(page, 'to nobody', 'no-such-thread')
  await rename(page, 'Third')
  await expect.poll(async () => (await stateOf(page)).stored).toBe(7)

  await browser.kill()
  expect(await site.stored()).toEqual({ title: 'First', messages: [] })
  browser = await startBrowserWithProfile(profile)
  page = await openTab()
  const others = [await openTab(), await openTab()]
  await expect.poll(async () => (await stateOf(page)).stored).toBe(7)
  await append(others[0] as Page, '5')
  await expect.poll(async () => (await stateOf(page)).stored).toBe(8)

  site.takesWrites = true
  await page.evaluate(() => (window as unknown as TestPage).testPage.flush())
  const whole = { title: 'Third', messages: ['1', '2', '3', '4', '5'] }
  await expect.poll(() => site.stored(), { timeout: 45_000 }).toEqual(whole)
  const tabs = [page, ...others]
  for (const tab of tabs) {
    await expect
      .poll(() => stateOf(tab))
      .toMatchObject({
        stored: 0,
        refused: 1,
        status: { waiting: 0, failed: 1 },
        title: 'Third',
        shown: whole.messages,
      })
  }
  expect(new Set(site.writers).size).toBe(1)
  // Only the tab that sent the write reports the refusal.
  const heard = await Promise.all(tabs.map(async (tab) => (await stateOf(tab)).failed))
  expect(heard.flat()).toEqual(['not_found'])
}, 180_000)
