import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { launchBrowser, newContext, openWindow, type Window, watchConsole } from './browser.ts'

/** Opens windows for one test and closes them after it. A console warning or error fails the test. */
export interface Windows {
  /** Opens a window of one of the demo's users. */
  open(url: string, user: string, options?: Parameters<typeof openWindow>[3]): Promise<Window>
  /** Opens a window without a signed-in user. */
  openEmpty(options?: BrowserContextOptions): Promise<Window>
  /** Opens another tab in a window's context. */
  openTab(window: Window): Promise<Page>
  /** Allows console messages that match, such as network errors while offline. */
  allow(complaint: RegExp): void
}

/** Starts one browser for a file and checks all consoles after each test. */
export function useWindows(): Windows {
  let browser: Browser
  let windows: Window[] = []
  let allowed: RegExp[] = []

  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterEach(async () => {
    const logged = windows.flatMap(({ complaints }) => complaints)
    const unexpected = logged.filter((complaint) => !allowed.some((each) => each.test(complaint)))
    await Promise.all(windows.map(({ context }) => context.close()))
    windows = []
    allowed = []
    expect(unexpected, 'unexpected console messages').toEqual([])
  })
  afterAll(() => browser?.close())

  function keep(window: Window): Window {
    windows.push(window)
    return window
  }
  return {
    open: async (url, user, options) => keep(await openWindow(browser, url, user, options)),
    async openEmpty(options) {
      const context = await newContext(browser, options)
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
