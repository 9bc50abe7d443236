import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { isDeep } from '../support/property.ts'
import { type Site, sessions, startSite } from './live-sharing/site.ts'
import { launchBrowser, newContext } from './support/browser.ts'

/** Lower it with TABS on a busy machine. */
const TABS = Number(process.env.LIVE_TABS ?? 12)
/** Timeout for twelve pages that start at the same time. */
const SLOW = 180_000

interface Shown {
  readonly title: string | null
  readonly messages: readonly string[]
  readonly rows: number
  readonly live: number
}

interface TestPage {
  readonly testPage: {
    readonly state: { readonly batches: number; readonly signedOut: boolean }
    shown(): Shown
    rename(title: string): Promise<unknown>
    signOut(): Promise<void>
    visit(session: string): Promise<void>
  }
}

let site: Site
let browser: Browser
let profile: BrowserContext
/** Milliseconds until all tabs were live with sharing: the machine's speed in this run. */
let loadMs = 30_000

beforeAll(async () => {
  site = await startSite()
  browser = await launchBrowser()
})
afterEach(() => profile?.close())
afterAll(async () => {
  await browser?.close()
  await site?.close()
})

/** Opens tabs of one profile, which share six connections per origin. */
async function openTabs(share = 'on'): Promise<Page[]> {
  profile = await newContext(browser)
  await profile.addCookies([{ name: 'user', value: 'ann', url: site.url }])
  site.live.most = 0
  return Promise.all(
    sessions.slice(0, TABS).map(async (session) => {
      const page = await profile.newPage()
      // Without sharing, the last pages cannot even load until a connection is free.
      void page
        .goto(`${site.url}/?session=${session}&share=${share}`, { waitUntil: 'commit' })
        .catch(() => undefined)
      return page
    }),
  )
}

const shown = (page: Page) =>
  page.evaluate(() => (window as unknown as TestPage).testPage?.shown() ?? null)

async function countLive(pages: readonly Page[]): Promise<number> {
  const all = await Promise.all(pages.map(shown))
  return all.filter((each) => each?.live === 4).length
}

async function countSeeing(pages: readonly Page[], content: string): Promise<number> {
  const all = await Promise.all(pages.map(shown))
  return all.filter((each) => each?.messages.includes(content)).length
}

async function electedOf(pages: readonly Page[]): Promise<Page> {
  const batches = await Promise.all(
    pages.map((page) =>
      page.evaluate(() => (window as unknown as TestPage).testPage.state.batches),
    ),
  )
  const elected = pages[batches.findLastIndex((count) => count > 0)]
  if (elected === undefined) throw new Error('no tab polls')
  return elected
}

/** Waits until all four collections of every tab are live. */
async function openLiveTabs(): Promise<Page[]> {
  const started = performance.now()
  const pages = await openTabs()
  await expect.poll(() => countLive(pages), { timeout: 120_000 }).toBe(TABS)
  loadMs = performance.now() - started
  return pages
}

const without = (pages: readonly Page[], gone: Page) => pages.filter((page) => page !== gone)

async function allSee(pages: readonly Page[], content: string): Promise<void> {
  await expect.poll(() => countSeeing(pages, content), { timeout: 60_000 }).toBe(pages.length)
}

describe(`${TABS} tabs of four live shapes, in one profile over HTTP/1.1`, {
  timeout: SLOW,
}, () => {
  test('are all live over two connections, and a write reaches all of them', async () => {
    const pages = await openLiveTabs()
    await site.addMessage('to all')
    await allSee(pages, 'to all')
    await pages[5]?.evaluate(() => (window as unknown as TestPage).testPage.rename('Renamed'))
    await expect
      .poll(async () => (await Promise.all(pages.map(shown))).map((each) => each?.title), {
        timeout: 60_000,
      })
      .toEqual(Array(TABS).fill('Renamed'))
    // No more writes follow, so polls that are open now stay open.
    await expect.poll(() => site.live.most, { timeout: 30_000 }).toBeGreaterThan(0)
    console.info(`${TABS} tabs, ${TABS * 4} live shapes: ${site.live.most} live connections`)
    expect(site.live.most).toBeLessThanOrEqual(2)
  })

  test.runIf(isDeep)(
    'stall without sharing: six connections cannot hold forty-eight polls',
    async () => {
      const pages = await openTabs('off')
      // All pages have loaded as far as they can; a page that is still loading reads the write in its snapshot.
      const patience = Math.min(60_000, Math.max(10_000, 2 * loadMs))
      const loaded = expect.poll(() => countLive(pages), { timeout: patience }).toBe(TABS)
      const isLoaded = await Promise.resolve(loaded).then(
        () => true,
        () => false,
      )
      await site.addMessage('to few')
      // Several times what all of them need with sharing; an idle poll is held for 20 s.
      const seeing = await countAfter(3_000, () => countSeeing(pages, 'to few'))
      console.info(
        `without sharing: ${isLoaded ? 'loaded' : `not even loaded in ${Math.round(patience / 1_000)} s`}, ${seeing} of ${TABS} tabs saw the write in 3 s`,
      )
      expect(seeing).toBeLessThan(TABS)
    },
  )

  test('go on when the leading tab is closed', async () => {
    const pages = await openLiveTabs()
    const elected = await electedOf(pages)
    await elected.close()
    await site.addMessage('after the close')
    await allSee(without(pages, elected), 'after the close')
  })

  test('go on when the leading tab crashes', async () => {
    const pages = await openLiveTabs()
    const elected = await electedOf(pages)
    const devtools = await profile.newCDPSession(elected)
    const crashed = elected.waitForEvent('crash')
    devtools.send('Page.crash').catch(() => undefined)
    await crashed
    await site.addMessage('after the crash')
    await allSee(without(pages, elected), 'after the crash')
  })

  test.runIf(isDeep)(
    'go on when the leading tab is frozen, which catches up after it thaws',
    async () => {
      const pages = await openLiveTabs()
      const elected = await electedOf(pages)
      const devtools = await profile.newCDPSession(elected)
      await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
      await site.addMessage('while frozen')
      await allSee(without(pages, elected), 'while frozen')
      await devtools.send('Page.setWebLifecycleState', { state: 'active' })
      await allSee(pages, 'while frozen')
    },
  )

  test.runIf(isDeep)('go on when the leading tab hangs, which catches up afterwards', async () => {
    const pages = await openLiveTabs()
    const elected = await electedOf(pages)
    const hanging = elected.evaluate(() => {
      const until = performance.now() + 15_000
      while (performance.now() < until) Math.random()
    })
    await site.addMessage('while hanging')
    await allSee(without(pages, elected), 'while hanging')
    await hanging
    await allSee(pages, 'while hanging')
  })

  test('are all emptied when one of them signs out', async () => {
    const pages = await openLiveTabs()
    await pages[3]?.evaluate(() => (window as unknown as TestPage).testPage.signOut())
    await expect
      .poll(async () => (await Promise.all(pages.map(shown))).map((each) => each?.rows), {
        timeout: 60_000,
      })
      .toEqual(Array(TABS).fill(0))
    await expect.poll(() => site.live.open, { timeout: 20_000 }).toBe(0)
  })
})

test.runIf(isDeep)(
  'leaving sessions leaves no listener and no poll behind',
  {
    timeout: SLOW,
  },
  async () => {
    profile = await newContext(browser)
    await profile.addCookies([{ name: 'user', value: 'ann', url: site.url }])
    const page = await profile.newPage()
    await page.goto(`${site.url}/?session=s0&keep=20`)
    await expect.poll(() => countLive([page])).toBe(1)
    const devtools = await profile.newCDPSession(page)
    const visitAll = async () => {
      for (const session of sessions.slice(1)) {
        await page.evaluate((id) => (window as unknown as TestPage).testPage.visit(id), session)
      }
      await devtools.send('HeapProfiler.collectGarbage')
      return (await devtools.send('Memory.getDOMCounters')).jsEventListeners
    }
    await visitAll()
    const before = await visitAll()
    for (let round = 0; round < 4; round += 1) await visitAll()
    const after = await visitAll()
    console.info(`${before} listeners after 22 visits, ${after} after 77`)
    expect(after).toBeLessThan(before + 30)
    expect(site.live.open).toBeLessThanOrEqual(2)
    await expect.poll(() => countLive([page])).toBe(1)
  },
)

async function countAfter(ms: number, count: () => Promise<number>): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return count()
}
