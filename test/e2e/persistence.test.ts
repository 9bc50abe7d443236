import { resolve } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser } from './support/browser.ts'
import { type PageSite, startPageSite } from './support/page-site.ts'

// Rows kept on the device, with the IndexedDB of a real browser and the real proxy.

interface State {
  readonly titles: readonly string[]
  readonly shown: readonly string[]
  readonly isUpToDate: boolean
  readonly waiting: number
}

interface TestPage {
  readonly testPage: {
    append(content: string): void
    signOut(): Promise<void>
    state(): Promise<State>
    stored(): Promise<number>
  }
}

const ann = { tenantId: 't1', userId: 'ann' }
const ben = { tenantId: 't1', userId: 'ben' }

let site: PageSite
let browser: Browser
let context: BrowserContext
/** While false, shapes and writes get 503, as from a gateway without a server behind it. */
let isServing = true
/** Offsets that the pages asked for since they were last read. */
let offsets: (string | null)[] = []

beforeAll(async () => {
  const unless = async (serve: () => Response | Promise<Response>) =>
    isServing ? serve() : new Response('', { status: 503 })
  const authenticate = (request: Request) =>
    new URL(request.headers.get('referer') ?? 'http://x').search.includes('ben') ? ben : ann
  site = await startPageSite(resolve(import.meta.dirname, 'persistence/page.ts'), authenticate, {
    write: (request, handle) => unless(() => handle(request)),
    shape(request, handle) {
      offsets.push(new URL(request.url).searchParams.get('offset'))
      return unless(() => handle(request))
    },
  })
  await write('s1', 'First')
  await site.store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: 'th1', sessionId: 's1', mode: 'session', title: 'T' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm1', threadId: 'th1', role: 'user', content: 'Hello' },
      },
    ],
  })
  browser = await launchBrowser()
  context = await browser.newContext()
})
afterAll(async () => {
  await browser?.close()
  await site?.close()
})

const write = (id: string, title: string) =>
  site.store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [{ collection: 'sessions', type: 'insert', value: { id, title } }],
  })
const stateOf = (page: Page) =>
  page.evaluate(() => (window as unknown as TestPage).testPage.state())
const storedIn = (page: Page) =>
  page.evaluate(() => (window as unknown as TestPage).testPage.stored())

async function load(page: Page, search = ''): Promise<void> {
  await page.goto(`${site.url}/${search}`)
  await page.waitForFunction(() => 'testPage' in window)
}

test('a reload shows the rows before the server answers, with waiting writes on top', async () => {
  const page = await context.newPage()
  await load(page)
  await expect
    .poll(() => stateOf(page))
    .toMatchObject({ titles: ['First'], shown: ['Hello'], isUpToDate: true })
  await expect.poll(() => storedIn(page)).toBeGreaterThanOrEqual(2)

  isServing = false
  await page.evaluate(() => (window as unknown as TestPage).testPage.append('Unsent'))
  await expect.poll(async () => (await stateOf(page)).waiting).toBe(1)
  await page.reload()
  await page.waitForFunction(() => 'testPage' in window)
  await expect
    .poll(() => stateOf(page))
    .toMatchObject({ titles: ['First'], shown: ['Hello', 'Unsent'], isUpToDate: false })

  await write('s2', 'Second')
  offsets = []
  isServing = true
  await expect
    .poll(() => stateOf(page), { timeout: 60_000 })
    .toMatchObject({
      titles: ['First', 'Second'],
      shown: ['Hello', 'Unsent'],
      isUpToDate: true,
      waiting: 0,
    })
  expect(offsets).not.toContain('-1')
  await page.close()
}, 120_000)

test('rows of a session that is no longer shared leave the page after the reload', async () => {
  await site.store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [
      { collection: 'sessions', type: 'update', id: 's1', changes: { visibility: 'tenant' } },
    ],
  })
  const other = await browser.newContext()
  const page = await other.newPage()
  await load(page, '?user=ben')
  await expect
    .poll(() => stateOf(page))
    .toMatchObject({ titles: ['First'], shown: ['Hello', 'Unsent'] })
  await expect.poll(() => storedIn(page)).toBeGreaterThanOrEqual(2)
  await page.goto('about:blank')
  await site.store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [
      { collection: 'sessions', type: 'update', id: 's1', changes: { visibility: 'private' } },
    ],
  })
  await load(page, '?user=ben')
  await expect
    .poll(() => stateOf(page), { timeout: 60_000 })
    .toMatchObject({ titles: [], shown: [], isUpToDate: true })
  await other.close()
}, 120_000)

test('neither another user nor a page after the sign-out finds rows', async () => {
  const page = await context.newPage()
  await load(page)
  await expect.poll(async () => (await stateOf(page)).isUpToDate).toBe(true)
  const tab = await context.newPage()
  await load(tab)
  await expect.poll(async () => (await stateOf(tab)).isUpToDate).toBe(true)
  await page.evaluate(() => (window as unknown as TestPage).testPage.signOut())
  await expect.poll(() => storedIn(page)).toBe(0)
  await expect.poll(async () => (await stateOf(tab)).titles).toEqual([])

  await load(page)
  await expect.poll(() => storedIn(page)).toBeGreaterThanOrEqual(2)
  isServing = false
  await load(page, '?user=ben')
  await expect.poll(() => storedIn(page)).toBe(0)
  expect((await stateOf(page)).titles).toEqual([])
  isServing = true
}, 120_000)
