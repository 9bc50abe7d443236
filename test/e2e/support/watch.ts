import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { launchBrowser, openWindow, type Window, watchConsole } from './browser.ts'

/** Opens windows for one test, closed after it. A test whose windows complained has failed. */
export interface Windows {
  /** A window of somebody whom the demo has signed up. */
  open(url: string, user: string, options?: Parameters<typeof openWindow>[3]): Promise<Window>
  /** A window of nobody yet. */
  openEmpty(options?: BrowserContextOptions): Promise<Window>
  /** Another tab of the same person. */
  openTab(window: Window): Promise<Page>
  /** What consoles may say in this test, such as that the network is gone when it is. */
  allow(complaint: RegExp): void
}

/** Sets up one browser for a file, and looks at every console after every test. */
export function useWindows(): Windows {
  let browser: Browser
  let windows: Window[] = []
  let allowed: RegExp[] = []

  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterEach(async () => {
    const said = windows.flatMap(({ complaints }) => complaints)
    const unexpected = said.filter((complaint) => !allowed.some((each) => each.test(complaint)))
    await Promise.all(windows.map(({ context }) => context.close()))
    windows = []
    allowed = []
    expect(unexpected, 'what consoles complained about').toEqual([])
  })
  afterAll(() => browser?.close())

  function keep(window: Window): Window {
    windows.push(window)
    return window
  }
  return {
    open: async (url, user, options) => keep(await openWindow(browser, url, user, options)),
    async openEmpty(options) {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 860 },
        ...options,
      })
      const page = await context.newPage()
      return keep({ page, context, complaints: watchConsole(page) })
    },
    async openTab({ context }) {
      const page = await context.newPage()
      keep({ page, context, complaints: watchConsole(page) })
      return page
    },
    allow: (complaint) => allowed.push(complaint),
  }
}
