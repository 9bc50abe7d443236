import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { LEGACY_SESSION, openBundledLog, sendMessage } from '../support/app.ts'
import type { Window } from '../support/browser.ts'
import type { World } from './world.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The app works with a keyboard, a screen reader, on a phone, and in dark mode. */
export function accessibilityStories(world: () => World): void {
  let windows: Record<'desktop' | 'phone', Window>

  beforeAll(async () => {
    const options = { reducedMotion: 'reduce' } as const
    windows = {
      desktop: await world().open('ann', { ...options, colorScheme: 'light' }),
      phone: await world().open('bob', { ...options, viewport: { width: 360, height: 740 } }),
    }
  })

  const openAgentv = (page: Page) => openBundledLog(page, world().demo.url)

  const screens: Record<string, (page: Page) => Promise<void>> = {
    'the list': (page) => page.getByTestId('session-list').getByRole('link').first().waitFor(),
    'a session': openAgentv,
    'all events of a session': async (page) => {
      await openAgentv(page)
      await page.getByTestId('look-all').click()
      await page.getByTestId('event-0').waitFor()
    },
    'an opened diff and a failed call': async (page) => {
      await openAgentv(page)
      await page.goto(`${page.url().split('?')[0]}?at=195`)
      await page.locator('[data-target] [data-testid="diff-194"]').first().waitFor()
    },
    'a session with its chat': async (page) => {
      await page.goto(`${world().demo.url}/sessions/${LEGACY_SESSION}?view=chat`)
      await page.getByTestId('message-content').locator('p').first().waitFor()
    },
    'the filters': async (page) => {
      await openAgentv(page)
      await page.getByTestId('timeline-filter').click()
      await page.getByTestId('facet-message').waitFor()
    },
    'a menu': async (page) => {
      await openAgentv(page)
      if (await page.getByTestId('session-menu').count())
        await page.getByTestId('session-menu').click()
    },
    'a dialog': async (page) => {
      await page.goto(world().demo.url)
      await page.getByTestId('new-session').click()
      await page.getByTestId('title-input').waitFor()
    },
    'sharing a session': async (page) => {
      await openAgentv(page)
      if ((await page.getByTestId('session-menu').count()) === 0) return
      await page.getByTestId('session-menu').click()
      await page.getByTestId('open-sharing').click()
      await page.getByTestId('create-link').waitFor()
    },
    'the list of chats': async (page) => {
      await page.goto(world().demo.url)
      await page.getByTestId('list-chats').click()
      await page.getByTestId('chat-list').getByRole('link').first().waitFor()
      // The next page starts with the sessions again.
      await page.evaluate(() => localStorage.removeItem('list'))
    },
    'a session that is not there': async (page) => {
      await page.goto(`${world().demo.url}/sessions/nothing-here`)
      await page.getByTestId('session-gone').waitFor()
    },
    'a search without a match': async (page) => {
      await page.goto(`${world().demo.url}/?q=nothing+says+this`)
      await page.getByTestId('no-match').waitFor()
    },
  }

  const cases = Object.keys(screens).flatMap((screen) =>
    (['desktop', 'phone'] as const).map((size) => [screen, size] as const),
  )

  test.each(cases)(
    '%s, %s: axe finds nothing in light and dark, and nothing is wider than the screen',
    async (screen, size) => {
      const { page } = windows[size]
      await screens[screen]?.(page)
      expect(await violations(page), 'light').toEqual([])
      await switchTheme(page)
      // Colours fade over, and have less contrast until then.
      await expect.poll(() => violations(page), { message: 'dark' }).toEqual([])
      await switchTheme(page)
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      expect(width).toBeLessThanOrEqual(0)
      await page.keyboard.press('Escape')
    },
  )

  test.each(['light', 'dark'] as const)(
    'signing in, %s: axe finds nothing',
    async (colorScheme) => {
      const context = await world().browser.newContext({ colorScheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      await page.goto(`${world().demo.url}/sign-in`)
      await page.getByRole('heading').first().waitFor()
      expect(await violations(page)).toEqual([])
      await context.close()
    },
  )

  test('applies the theme before the first paint and remembers a switch', async () => {
    const { page } = windows.desktop
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.goto(world().demo.url)
    const isDark = () => page.evaluate(() => document.documentElement.classList.contains('dark'))
    expect(await isDark()).toBe(true)
    await page.getByRole('button', { name: 'Switch between light and dark' }).click()
    await page.reload({ waitUntil: 'commit' })
    await expect.poll(isDark).toBe(false)
    await page.getByRole('button', { name: 'Switch between light and dark' }).click()
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('keyboard only: find a session, read it, reference an event, write', async () => {
    const { page } = windows.desktop
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement
        return element?.getAttribute('data-testid') ?? element?.textContent ?? ''
      })
    const tabTo = async (wanted: RegExp) => {
      for (let presses = 0; presses < 80; presses += 1) {
        if (wanted.test(await focused())) return
        await press('Tab')
      }
      throw new Error(`Tab does not lead to ${wanted}, but to ${await focused()}`)
    }
    await page.goto(world().demo.url)
    await page.getByTestId('session-list').getByRole('link').first().waitFor()
    await press('Tab')
    expect(await focused()).toBe('Skip to the session')
    await tabTo(/^session-search$/)
    await page.keyboard.type('git push')
    await expect.poll(() => new URL(page.url()).searchParams.get('q')).toBe('git push')
    await tabTo(/git push origin main/)
    await press('Enter')
    await page.getByTestId('event-6').waitFor()
    await tabTo(/^timeline$/)
    await press('PageDown')
    await expect
      .poll(() => page.getByTestId('timeline').evaluate((list) => list.scrollTop))
      .toBeGreaterThan(100)
    // One stop for all rows: arrows move between them, and to the buttons of one.
    await press('ArrowDown')
    await expect.poll(focused).toMatch(/^event-/)
    const row = await focused()
    await press('ArrowDown')
    await expect.poll(focused).not.toBe(row)
    await press('ArrowUp')
    await expect.poll(focused).toBe(row)
    for (let presses = 0; presses < 4 && !/^reference-/.test(await focused()); presses += 1) {
      await press('ArrowRight')
    }
    expect(await focused()).toMatch(/^reference-/)
    await press('Escape')
    await expect.poll(focused).toBe(row)
    expect(
      await page
        .getByTestId('timeline')
        .locator('button, a, [tabindex="0"]')
        .evaluateAll((all) => all.filter((each) => (each as HTMLElement).tabIndex >= 0).length),
    ).toBeLessThanOrEqual(1)
    await press('Home')
    await expect.poll(focused).toBe('event-6')
    await press('ArrowRight', 'ArrowLeft')
    await expect.poll(focused).toBe('event-6')
    for (let presses = 0; presses < 4 && !/^reference-/.test(await focused()); presses += 1) {
      await press('ArrowRight')
    }
    await press('Enter')
    await expect.poll(focused).toBe('composer')
    await page.keyboard.type('Written without a mouse')
    await press('Enter')
    await page.getByTestId('message-list').getByText('Written without a mouse').first().waitFor()
  })

  test('on a phone: from the list to a session, to its chat, and back', async () => {
    const { page } = windows.phone
    await openAgentv(page)
    expect(await page.getByTestId('composer').isVisible()).toBe(false)
    await page.getByTestId('view-chat').click()
    await sendMessage(page, 'From a phone')
    await page.getByTestId('message-list').getByText('From a phone').first().waitFor()
    await page.getByRole('link', { name: 'Back to all sessions' }).click()
    await page.getByTestId('session-list').getByRole('link').first().waitFor()
  })
}

/** Switches the colours of the page as it is, with its menus and dialogs open. */
const switchTheme = (page: Page) =>
  page.evaluate(() => {
    document.documentElement.classList.toggle('dark')
  })

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  )
  return results.violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join('\n')}`,
  )
}
