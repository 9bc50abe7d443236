import { resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser } from './support/browser.ts'
import { type PageSite, startPageSite } from './support/page-site.ts'

const ann = { tenantId: 't1', userId: 'ann' }
let site: PageSite
let browser: Browser
/** While false, shapes get 503, as from a gateway without a server behind it. */
let isServing = true

beforeAll(async () => {
  site = await startPageSite(resolve(import.meta.dirname, 'devtools/page.ts'), () => ann, {
    shape: (request, handle) => (isServing ? handle(request) : new Response('', { status: 503 })),
  })
  await site.store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [{ collection: 'sessions', type: 'insert', value: { id: 's1', title: 'First' } }],
  })
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await site?.close()
})

test('the panel shows every collection, its stream, the outbox and the leading tab', async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 600 } })
  const page = await context.newPage()
  await page.goto(site.url)
  await page.getByRole('button', { name: 'session-db' }).click()
  const panel = page.locator('session-db-devtools section')
  const row = (shape: string) => panel.getByRole('row').filter({ hasText: shape })
  await row('session-threads?sessionId=s1').filter({ hasText: 'live' }).waitFor()
  // The list is the union of one shape per audience.
  const list = panel.getByRole('row').filter({ has: page.getByText('sessions', { exact: true }) })
  await expect.poll(() => list.textContent()).toMatch(/live\s*ready, up to date\s*1/)
  await row('sessions?audience=tenant').filter({ hasText: 'live' }).waitFor()
  const audienceOf = (shape: string) => row(shape).getByRole('cell').nth(1).textContent()
  await expect.poll(() => audienceOf('sessions?audience=tenant')).toBe('tenant')
  // A collection of a session goes through the widest audience that shows the session.
  await expect.poll(() => audienceOf('session-threads?sessionId=s1')).toBe('user:ann')
  await expect.poll(() => panel.textContent()).toContain('outbox: 0 waiting, 0 refused')
  await expect.poll(() => panel.textContent()).toMatch(/live: [12] connections, leads/)

  const second = await context.newPage()
  await second.goto(site.url)
  await second.getByRole('button', { name: 'session-db' }).click()
  const other = second.locator('session-db-devtools section')
  await expect.poll(() => other.textContent()).toContain('live: 0 connections, follows')

  isServing = false
  await page.reload()
  await page.getByRole('button', { name: 'session-db' }).click()
  await expect.poll(() => list.textContent()).toContain('answered 503')
  await page.evaluate(() => (window as unknown as { unmount(): void }).unmount())
  expect(await page.locator('session-db-devtools').count()).toBe(0)
})
