import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

async function startWorld(): Promise<World> {
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

/** Tells stories in one world, in their order: later ones may need what earlier ones have left there. */
export function tellStories(stories: Record<string, (world: () => World) => void>): void {
  let world: World

  beforeAll(async () => {
    world = await startWorld()
  })

  afterAll(() => world?.close())

  for (const [name, tell] of Object.entries(stories)) describe(name, () => tell(() => world))

  test('no window logged a console warning or error', () => {
    expect(world.complaints()).toEqual([])
  })
}
