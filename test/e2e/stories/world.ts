import type { Browser } from 'playwright-core'
import { launchBrowser, openWindow, type Window, type WindowOptions } from '../support/browser.ts'
import { type Demo, startDemo, temporaryDataDir } from '../support/demo.ts'

/** The demo and the browser that all stories share. */
export interface World {
  readonly demo: Demo
  readonly browser: Browser
  /** Opens a window whose console is checked at the end, and which is closed with the world. */
  open(user: string, options?: WindowOptions): Promise<Window>
  /** Console warnings and errors of all windows. */
  complaints(): string[]
  close(): Promise<void>
}

export async function startWorld(): Promise<World> {
  const dataDir = await temporaryDataDir()
  const demo = await startDemo({ dataDir: dataDir.path, env: { ECHO_TOKEN_MS: '15' } })
  const browser = await launchBrowser()
  const windows: Window[] = []
  return {
    demo,
    browser,
    async open(user, options) {
      const window = await openWindow(browser, demo.url, user, options)
      windows.push(window)
      return window
    },
    complaints: () => windows.flatMap(({ complaints }) => complaints),
    async close() {
      await browser.close()
      await demo.stop()
      await dataDir.remove()
    },
  }
}
