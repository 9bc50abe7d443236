import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type BrowserContext, chromium } from 'playwright-core'
import { BROWSER_FLAGS, browserPath } from './browser.ts'

/** A browser with a profile on disk that can be killed as by a power cut. */
export interface KillableBrowser {
  readonly context: BrowserContext
  /** Ends it with SIGKILL; resolves when it has ended. */
  kill(): Promise<void>
}

/** Starts Chromium with a profile, which may be that of a killed browser. */
export async function startBrowserWithProfile(profile: string): Promise<KillableBrowser> {
  const child = spawn(
    browserPath(),
    [
      '--headless=new',
      ...BROWSER_FLAGS,
      `--user-data-dir=${profile}`,
      '--remote-debugging-port=0',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  )
  const ended = once(child, 'close')
  const endpoint = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1]
      if (found !== undefined) resolve(found)
    })
    ended.then(() => reject(new Error('Chromium ended before it listened for commands.')))
  })
  const browser = await chromium.connectOverCDP(endpoint)
  const [context] = browser.contexts()
  if (context === undefined || child.pid === undefined)
    throw new Error('Chromium has opened no context for the profile.')
  const group = -child.pid
  return {
    context,
    async kill() {
      process.kill(group, 'SIGKILL')
      await ended
    },
  }
}
