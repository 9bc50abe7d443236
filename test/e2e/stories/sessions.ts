import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { createSession, openSession, sessionAction, setShared } from '../support/app.ts'
import type { Window } from '../support/browser.ts'
import { longLog } from '../support/long-log.ts'
import type { World } from './world.ts'

const MEGABYTE = 1_000_000

/** User stories of the session list. */
export function sessionStories(world: () => World): void {
  let ann: Window
  let bob: Window
  let page: Page

  beforeAll(async () => {
    ann = await world().open('ann')
    bob = await world().open('bob')
    page = ann.page
  })

  const rows = () => page.getByTestId('session-list').locator('[data-testid^="session-"]')

  test('search and filters narrow the list, are in the URL, and survive a reload', async () => {
    await createSession(page, 'Needle in the list')
    await page.getByTestId('session-search').fill('NEEDLE')
    await expect.poll(() => rows().count()).toBe(1)
    expect(new URL(page.url()).searchParams.get('q')).toBe('NEEDLE')
    await page.reload()
    await expect.poll(() => rows().count()).toBe(1)
    await page.getByTestId('session-search').press('Escape')
    await expect.poll(() => rows().count()).toBeGreaterThan(1)

    await page.getByTestId('filter-format').selectOption('codex')
    await expect.poll(() => rows().count()).toBe(1)
    await page.getByTestId('filter-repo').selectOption('EntityProcess/agentv')
    await page.getByTestId('filter-status').selectOption('failed')
    await page.getByTestId('no-match').waitFor()
    await page.getByTestId('clear-filters').click()
    await expect.poll(() => rows().count()).toBeGreaterThan(1)
    expect(new URL(page.url()).search).toBe('')
  })

  test('search finds timeline events and opens them', async () => {
    await page.getByTestId('session-search').fill('prek uninstall')
    const hit = page.getByTestId('search-hits').getByRole('link').first()
    await hit.click()
    await page.locator('[data-target]').waitFor()
    expect(await page.locator('[data-target]').textContent()).toContain('prek')
    await page.getByTestId('session-search').fill('')
    await page.getByTestId('search-hits').waitFor({ state: 'detached' })
  })

  test('"/" focuses the search, and Ctrl+K searches everything with the keyboard', async () => {
    await page.goto(world().demo.url)
    await page.getByTestId('session-list').getByRole('link').first().waitFor()
    await page.keyboard.press('/')
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-testid'))
    expect(await focused()).toBe('session-search')
    await page.keyboard.press('Control+k')
    await page.getByTestId('palette').fill('prek uninstall')
    // Counted only when the server has answered.
    await page
      .getByRole('status')
      .getByText(/^\d+ in events and messages$/)
      .waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Enter')
    await page.locator('[data-target]').waitFor()
    expect(await page.locator('[data-target]').textContent()).toContain('prek')
    await page.keyboard.press('Control+k')
    await page.getByTestId('palette').fill('git push')
    await page.getByTestId('palette-option').first().locator('mark').first().waitFor()
    await page.keyboard.press('Escape')
    await page.getByTestId('palette').waitFor({ state: 'detached' })
  })

  test('uploads a 20 MB log with the button, shows progress, and derives a timeline', async () => {
    const buffer = longLog({ bytes: 20 * MEGABYTE })
    const folder = await mkdtemp(join(tmpdir(), 'session-db-upload-'))
    const file = join(folder, 'twenty-megabytes.jsonl')
    await writeFile(file, buffer)
    const shown = page.getByTestId('upload-entry').waitFor()
    await page.getByTestId('upload-input').setInputFiles(file)
    await shown
    await page.waitForURL(/\/sessions\/[^/?]+/)
    await page.locator('[data-testid="timeline"] [data-kind]').first().waitFor({ timeout: 120_000 })
    await page.getByTestId('upload-entry').waitFor({ state: 'detached' })
    const events = Number(
      ((await page.getByTestId('event-count').textContent()) ?? '').replace(/\D/g, ''),
    )
    expect(events).toBeGreaterThanOrEqual(buffer.toString().trimEnd().split('\n').length)
    await rm(folder, { recursive: true })
  }, 180_000)

  test('uploads a dropped log, and gives the reason for a file it refuses', async () => {
    const dropped = await page.evaluateHandle(() => {
      const data = new DataTransfer()
      data.items.add(new File(['you said hello\nand I said goodbye\n'], 'dropped.txt'))
      return data
    })
    await page.dispatchEvent('body', 'dragover', { dataTransfer: dropped })
    await page.getByTestId('drop-zone').waitFor()
    await page.dispatchEvent('body', 'drop', { dataTransfer: dropped })
    await page.getByTestId('drop-zone').waitFor({ state: 'detached' })
    await page.getByTestId('timeline').getByText('and I said goodbye').first().waitFor()

    // The server refuses an oversized file before a byte of it is sent.
    await page.route('**/api/uploads', (route) =>
      route.fulfill({
        status: 413,
        json: { error: { code: 'too_large', message: 'A log may have 512 MiB.' } },
      }),
    )
    await page
      .getByTestId('upload-input')
      .setInputFiles({ name: 'huge.jsonl', mimeType: 'text/plain', buffer: Buffer.from('x') })
    const entry = page.locator('[data-testid="upload-entry"][data-failed]')
    await entry.getByRole('alert').getByText('A log may have 512 MiB.').waitFor()
    await page.unroute('**/api/uploads')
    await entry.getByTestId('upload-retry').click()
    await entry.waitFor({ state: 'detached' })
    forgive(ann, /413/)
  })

  test('asks before it uploads a file that is no log', async () => {
    const readme = { name: 'README.md', mimeType: 'text/markdown', buffer: Buffer.from('# Hello') }
    await page.getByTestId('upload-input').setInputFiles(readme)
    await page.getByText('does not look like a session log').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    expect(await page.getByTestId('session-list').getByText('README').count()).toBe(0)
  })

  test('publishing a session from the list can be undone', async () => {
    const id = await createSession(page, 'Published by mistake')
    await setShared(page, id, true)
    await page.getByTestId('undo').last().click()
    await page.locator(`[data-testid="share-${id}"][aria-checked="false"]`).waitFor()
  })

  test('settings change theme and density, and survive a reload', async () => {
    const looks = () =>
      page.evaluate(() =>
        ['dark', 'compact'].map((name) => document.documentElement.classList.contains(name)),
      )
    await page.getByTestId('user-menu').click()
    await page.getByTestId('open-settings').click()
    await page.getByRole('radio', { name: 'Dark' }).click()
    await page.getByTestId('compact').click()
    expect(await looks()).toEqual([true, true])
    await page.reload()
    expect(await looks()).toEqual([true, true])
    await page.getByTestId('user-menu').click()
    await page.getByTestId('open-settings').click()
    await page.getByRole('radio', { name: 'System' }).click()
    await page.getByRole('radio', { name: 'Comfortable' }).click()
    expect(await looks()).toEqual([false, false])
    await page.keyboard.press('Escape')
  })

  test('a shared session appears highlighted in the other window and goes when it is private', async () => {
    const id = await createSession(page, 'News for Bob')
    await setShared(page, id, true)
    await bob.page.locator(`[data-testid="session-${id}"][data-changed]`).waitFor()
    expect(await page.locator(`[data-testid="session-${id}"][data-changed]`).count()).toBe(0)
    await sessionAction(page, 'share-session')
    await bob.page.getByTestId(`session-${id}`).waitFor({ state: 'detached' })
  })

  test('a session is archived, found, deleted, restored, and deleted for good', async () => {
    const id = await createSession(page, 'Here and gone')
    await sessionAction(page, 'archive-session')
    await page.getByTestId(`session-${id}`).waitFor({ state: 'detached' })
    await page.getByTestId('filter-status').selectOption('archived')
    await openSession(page, id)
    await sessionAction(page, 'delete-session')
    await page.getByTestId(`session-${id}`).waitFor({ state: 'detached' })
    await page.getByTestId('undo').last().click()
    await page.getByTestId(`session-${id}`).waitFor()
    await openSession(page, id)
    await sessionAction(page, 'delete-session')
    // Pending deletions are carried out when the page is left.
    await page.reload()
    await page.getByTestId('session-list').waitFor()
    await page.getByTestId(`session-${id}`).waitFor({ state: 'detached' })
  })

  test('places menus and tooltips beside their controls in browsers without CSS anchors', async () => {
    const { context, page: old } = await world().open('ann', { reducedMotion: 'reduce' })
    await context.addInitScript(() => {
      CSS.supports = () => false
      const style = new CSSStyleSheet()
      style.replaceSync('[popover] { position-area: none !important }')
      document.adoptedStyleSheets = [style]
    })
    await old.reload()
    const boxOf = async (locator: Locator) => {
      const box = await locator.boundingBox()
      if (box === null) throw new Error('It is not on the screen.')
      return { ...box, right: box.x + box.width, bottom: box.y + box.height }
    }
    const theme = old.getByRole('button', { name: 'Switch between light and dark' })
    await theme.hover()
    await old.getByRole('tooltip').waitFor()
    const tip = async () => (await boxOf(old.getByRole('tooltip'))).y
    const { bottom } = await boxOf(theme)
    // There is no room above the header.
    await expect.poll(tip).toBeGreaterThanOrEqual(bottom)
    expect(await tip()).toBeLessThan(bottom + 20)

    const button = old.getByTestId('user-menu')
    await button.click()
    const menu = async () => {
      const box = await boxOf(old.getByRole('menu'))
      const control = await boxOf(button)
      return [box.right - control.right, box.y - control.bottom].map(Math.round)
    }
    await expect.poll(menu).toEqual([0, 6])
  })

  test('shows that the session of an address does not exist', async () => {
    await page.goto(`${world().demo.url}/sessions/nothing-here`)
    await page.getByTestId('session-gone').waitFor()
    await page.getByTestId('session-gone').getByRole('link').click()
    await page.waitForURL(world().demo.url)
  })
}

/** Removes the console messages that a test provoked on purpose. */
export function forgive(window: Window, expected: RegExp): void {
  const others = window.complaints.filter((complaint) => !expected.test(complaint))
  window.complaints.splice(0, window.complaints.length, ...others)
}
