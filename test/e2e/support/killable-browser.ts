import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type BrowserContext, chromium } from 'playwright-core'
import { BROWSER_FLAGS, browserPath } from './browser.ts'

/** A browser with a profile on disk, that can be killed like a machine that loses power. */
export interface KillableBrowser {
  readonly context: BrowserContext
  /** Ends it without a word, with SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts Chromium with a profile. A killed one's profile is taken up as it was left. */
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
    ended.then(() => reject(new Error('Chromium ended before it listened.')))
  })
  const browser = await chromium.connectOverCDP(endpoint)
  const [context] = browser.contexts()
  if (context === undefined || child.pid === undefined) throw new Error('There is no profile.')
  const group = -child.pid
  return {
    context,
    async kill() {
      process.kill(group, 'SIGKILL')
      await ended
    },
  }
}
