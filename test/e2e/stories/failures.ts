import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { createSession, LEGACY_SESSION } from '../support/app.ts'
import type { Window } from '../support/browser.ts'
import { forgive } from './sessions.ts'
import type { World } from './world.ts'

const NETWORK = /Failed to load resource|Failed to fetch|ERR_FAILED|50\d/

/** Stories of what each pane shows when something is missing, and what to do about it. */
export function failureStories(world: () => World): void {
  let ann: Window
  let page: Page

  beforeAll(async () => {
    ann = await world().open('ann')
    page = ann.page
  })

  test('without sync the panes say so, and fill by themselves when it is back', async () => {
    await page.route('**/api/shapes/**', (route) => route.abort())
    await page.goto(`${world().demo.url}/sessions/${LEGACY_SESSION}?view=chat`)
    const failed = page.getByTestId('pane-failed').filter({ visible: true })
    await failed.first().getByRole('button', { name: 'Reload the page' }).waitFor()
    await page.locator('[data-testid="sync-status"][data-state="reconnecting"]').waitFor()
    await page.unroute('**/api/shapes/**')
    await page.getByTestId('message-content').first().waitFor()
    await expect.poll(() => failed.count()).toBe(0)
    forgive(ann, NETWORK)
  })

  test('a search that fails can be repeated, in the list and in the palette', async () => {
    await page.route('**/_serverFn/**', (route) => route.abort())
    await page.getByTestId('list-sessions').click()
    await page.getByTestId('session-search').fill('prek')
    const again = page.getByTestId('search-again')
    await again.waitFor()
    await page.keyboard.press('Control+k')
    await page.getByTestId('palette').fill('prek')
    const inPalette = page.getByRole('dialog').getByRole('button', { name: 'Search again' })
    await inPalette.waitFor()
    await page.unroute('**/_serverFn/**')
    await inPalette.click()
    await page.getByRole('listbox').getByText('prek').first().waitFor()
    await page.keyboard.press('Escape')
    await again.click()
    await page.getByTestId('search-hits').getByRole('link').first().waitFor()
    await page.getByTestId('session-search').fill('')
    forgive(ann, NETWORK)
  })

  test('an empty timeline leads to the chat', async () => {
    const laptop = await world().open('ann', { viewport: { width: 1024, height: 768 } })
    await createSession(laptop.page, 'Nothing in it')
    await laptop.page.getByTestId('no-events').getByRole('link', { name: 'Open the chat' }).click()
    await laptop.page.getByTestId('composer').waitFor()
  })
}
