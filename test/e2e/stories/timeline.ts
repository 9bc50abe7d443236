import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { firstEvent, openBundledLog, sendMessage } from '../support/app.ts'
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
    // The match is marked in the folded line and in the opened output.
    await expect.poll(() => call.locator('mark').allTextContents()).toContain('git status')
    await page.getByTestId('timeline-search').fill('')
    await firstEvent(page).waitFor()
  })

  test('reads as a conversation: set-up folded, calls in one line, diffs as cards', async () => {
    await openAgentv()
    const rows = page.locator('[data-testid="timeline"] [data-kind]')
    const kinds = () => rows.evaluateAll((all) => all.map((row) => row.getAttribute('data-kind')))
    expect((await kinds()).slice(0, 3)).toEqual(['message', 'message', 'tool_call'])
    expect(await page.title()).toContain('git push origin main')
    await page.getByTestId('day').first().waitFor()
    await page.getByText('6 set-up events').click()
    await expect.poll(() => page.getByTestId('set-up-events').getByRole('listitem').count()).toBe(6)
    expect(await page.getByTestId('turn').first().textContent()).toBe(
      '57 s · gpt-5.5 · 9 tool calls · 1.7k tokens',
    )
    // Answers are formatted.
    await page.getByTestId('answer').first().locator('code').first().waitFor()
    const call = page.getByTestId('event-10')
    expect(await call.textContent()).toContain('git fetch origin && git status')
    expect(await call.textContent()).not.toContain('{"cmd"')
    // A click misses while the rows above change their height.
    const fold = page.getByTestId('unfold-10')
    await expect
      .poll(async () => {
        if ((await fold.getAttribute('aria-expanded')) === 'false') await fold.click()
        return call.textContent()
      })
      .toContain('## main...origin/main')
    expect(await call.textContent()).not.toContain('Chunk ID')
  })

  test('links to a result open its call, and to a set-up event the list that has it', async () => {
    await openAgentv()
    const session = page.url().split('?')[0]
    await page.goto(`${session}?at=195`)
    const change = page.locator('[data-target] [data-testid="diff-194"]')
    await change.waitFor()
    expect(await change.textContent()).toContain('"checkpoint_remote": {')
    await page.goto(`${session}?at=2`)
    await page.locator('[data-testid="set-up-events"] [data-target]').waitFor()
  })

  test('marks a failed call with its exit code, and shows all events on request', async () => {
    await openAgentv()
    await page.getByTestId('look-all').click()
    await expect.poll(() => search().get('events')).toBe('all')
    await page.getByTestId('event-0').waitFor()
    await page.reload()
    await page.getByTestId('event-0').waitFor()
    await page.getByTestId('look-conversation').click()
    await expect.poll(() => search().get('events')).toBe(null)
    // A log of Claude Code, in which the linter fails.
    await page.getByTestId('session-list').getByText('Detached telemetry').click()
    // Until then, the search is that of the session before.
    await page.getByTestId('session-title').getByText('Detached telemetry').waitFor()
    await firstEvent(page).waitFor()
    await page.getByTestId('timeline-search').fill('lines are duplicate of')
    await expect.poll(counted).toMatch(/ of /)
    const result = page.locator('[data-kind="tool_result"]').first()
    await result.getByText('Exit 1').waitFor()
    const seq = (await result.getAttribute('data-testid'))?.replace('event-', '')
    await page.goto(`${page.url().split('?')[0]}?at=${seq}`)
    const failed = page.locator('[data-target] [data-failed]')
    await failed.getByText('Exit 1').waitFor()
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
    await firstEvent(page).waitFor()
    expect(search().get('kinds')).toBe(null)
  })

  async function openLong() {
    await page.goto(`${world().demo.url}/sessions/${LONG_SESSION}`)
    await firstEvent(page).waitFor({ timeout: 60_000 })
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
    await page.goto(`${world().demo.url}/sessions/${LONG_SESSION}?at=99999&events=all`)
    await page.getByTestId('event-99999').waitFor()
  })

  test('an event is referenced in the chat, and the message links back to it', async () => {
    await openAgentv()
    await page.getByTestId('event-6').hover()
    await page.getByTestId('reference-6').click()
    await page.getByTestId('reference-chip').waitFor()
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe(
      'composer',
    )
    await sendMessage(page, 'What is this about?')
    const link = page.getByTestId('contextEvents').getByTestId('go-to-event-6')
    await link.waitFor()
    expect(await page.getByTestId('reference-chip').count()).toBe(0)
    await link.click()
    await page.locator('[data-testid="event-6"][data-target]').waitFor()
  })

  test('a session of 100,000 events opens without loading them, and scrolls from end to end', async () => {
    await openLong()
    // The conversation, with a third of the rows, scrolls as well.
    const talk = await scrollToEnd(page.getByTestId('timeline'), 8_000)
    console.info(`Scrolled its conversation in ${talk.frames} frames:`, talk)
    await expect.poll(() => page.getByTestId('event-loading').count()).toBe(0)
    expect(await page.locator('[data-testid="timeline"] li').count()).toBeLessThan(150)
    await page.goto(`${world().demo.url}/sessions/${LONG_SESSION}?events=all`)
    await page.getByTestId('event-0').waitFor()
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
