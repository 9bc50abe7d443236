import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { openBundledLog, sendMessage } from '../support/app.ts'
import type { Window } from '../support/browser.ts'
import { scrollToEnd } from '../support/frames.ts'
import { EVENTS, LONG_SESSION, uploadLongSession } from '../support/long-session.ts'
import type { World } from './world.ts'

/** User stories of short and long timelines. */
export function timelineStories(world: () => World): void {
  let ann: Window
  let page: Page

  beforeAll(async () => {
    ann = await world().open('ann')
    page = ann.page
    await uploadLongSession(world().demo.databaseUrl)
  })

  const search = () => new URL(page.url()).searchParams
  const counted = () => page.getByTestId('event-count').textContent()

  const openAgentv = () => openBundledLog(page, world().demo.url)

  test('tool calls are folded with their results, and unfold', async () => {
    await openAgentv()
    await page.getByTestId('timeline-search').fill('git status')
    await expect.poll(counted).toMatch(/ of /)
    const call = page.locator('[data-kind="tool_call"]').first()
    await call.waitFor()
    expect(await call.locator('pre').count()).toBe(0)
    await call.locator('[data-testid^="unfold-"]').click()
    await call.locator('pre').first().waitFor()
    await page.getByTestId('timeline-search').fill('')
    await page.getByTestId('event-0').waitFor()
  })

  test.each([
    ['a short session', openAgentv],
    ['a long one', () => openLong()],
  ])('filters of %s are in the address, and a reload keeps them', async (_, open) => {
    await open()
    await page.getByTestId('timeline-filter').click()
    await page.getByTestId('facet-message').click()
    await expect.poll(() => search().get('kinds')).toBe('["message"]')
    await page.getByTestId('facet-user').click()
    await expect.poll(() => search().get('roles')).toBe('["user"]')
    await page.keyboard.press('Escape')
    await expect.poll(counted).toMatch(/ of /)
    const all = page.locator('[data-testid="timeline"] [data-kind]')
    await expect.poll(() => all.count()).toBeGreaterThan(1)
    const kinds = () => all.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-kind')))
    await expect.poll(async () => new Set(await kinds())).toEqual(new Set(['message']))
    const before = await counted()
    await page.reload()
    await expect.poll(counted).toBe(before)
    expect(search().get('kinds')).toBe('["message"]')

    await page.getByTestId('timeline-search').fill('no event says this')
    await page.getByTestId('no-events').waitFor()
    await page.getByTestId('clear-events-filter').click()
    await page.getByTestId('event-0').waitFor()
    expect(search().get('kinds')).toBe(null)
  })

  async function openLong() {
    await page.goto(`${world().demo.url}/sessions/${LONG_SESSION}`)
    await page.getByTestId('event-0').waitFor({ timeout: 60_000 })
  }

  test('jumps to a time, and shows the event of the URL', async () => {
    await openLong()
    await page.getByTestId('jump-to-time').click()
    // The log has one event per second from 8:00 UTC, after its first line.
    const time = new Date(Date.parse('2026-01-05T08:00:00Z') + 70_000 * 1_000)
    const local = await page.evaluate((at) => {
      const date = new Date(at)
      return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
    }, time.getTime())
    await page.getByTestId('jump-time').fill(local)
    await page.getByTestId('jump').click()
    await page.locator('[data-target]').waitFor()
    await expect.poll(() => Number(search().get('at'))).toBeGreaterThan(69_000)
    await page.goto(`${world().demo.url}/sessions/${LONG_SESSION}?at=99999`)
    await page.getByTestId('event-99999').waitFor()
  })

  test('an event is referenced in the chat, and the message links back to it', async () => {
    await openAgentv()
    await page.getByTestId('event-0').hover()
    await page.getByTestId('reference-0').click()
    await page.getByTestId('reference-chip').waitFor()
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe(
      'composer',
    )
    await sendMessage(page, 'What is this about?')
    const link = page.getByTestId('contextEvents').getByTestId('go-to-event-0')
    await link.waitFor()
    expect(await page.getByTestId('reference-chip').count()).toBe(0)
    await link.click()
    await page.locator('[data-testid="event-0"][data-target]').waitFor()
  })

  test('a session of 100,000 events opens without loading them, and scrolls from end to end', async () => {
    await openLong()
    const loaded = await page.locator('[data-testid="timeline"] li').count()
    expect(loaded).toBeLessThan(60)
    const report = await scrollToEnd(page.getByTestId('timeline'), 4_000)
    // No limit on time, which would only measure the machine's load: the numbers are for readers.
    console.info(`Scrolled ${EVENTS.toLocaleString()} events in ${report.frames} frames:`, report)
    const events = Number((await counted())?.replaceAll(/\D/g, ''))
    expect(events).toBeGreaterThan(EVENTS)
    await page.getByTestId(`event-${events - 1}`).waitFor()
    expect(report.frames).toBeGreaterThan(1_000)
    expect(await page.locator('[data-testid="timeline"] li').count()).toBeLessThan(60)
  }, 300_000)
}
