import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { openBundledLog, sendMessage } from './support/app.ts'
import { launchBrowser, openWindow } from './support/browser.ts'
import { startDemo, temporaryDataDir } from './support/demo.ts'

// npm run screenshots: takes the pictures of the start app in docs/screenshots.

const OUT = resolve(import.meta.dirname, '../../docs/screenshots')
const looks = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
} as const

const dataDir = await temporaryDataDir()
const demo = await startDemo({ dataDir: dataDir.path, env: { ECHO_TOKEN_MS: '5' } })
const browser = await launchBrowser()
try {
  await mkdir(OUT, { recursive: true })
  for (const [index, [look, options]] of Object.entries(looks).entries()) {
    await takeAll(look, options, index)
  }
} finally {
  await browser.close()
  await demo.stop()
  await dataDir.remove()
}

async function takeAll(
  look: string,
  options: (typeof looks)[keyof typeof looks],
  /** Counts the answers that exist already. */
  answers: number,
): Promise<void> {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' })
  const signIn = await context.newPage()
  await signIn.goto(`${demo.url}/sign-in`)
  await signIn.getByTestId('sign-in-ann').waitFor()
  await take(signIn, `sign-in-${look}`)
  await context.close()

  const window = { ...options, reducedMotion: 'reduce', answers: true } as const
  const { page } = await openWindow(browser, demo.url, 'ann', window)
  await page.getByTestId('session-list').getByRole('link').nth(3).waitFor()
  await take(page, `sessions-${look}`)

  await openBundledLog(page, demo.url)
  if (look === 'phone') await take(page, `timeline-${look}`)
  await page.getByTestId('event-6').hover()
  await page.getByTestId('reference-6').click()
  if (look === 'phone') await page.getByTestId('view-chat').click()
  await sendMessage(page, 'Why does the push fail? The hook says `prek uninstall`.')
  await page.locator('[data-role="assistant"][data-status="complete"]').nth(answers).waitFor()
  await page.getByTestId('message-content').locator('code.hljs').last().waitFor()
  await page.mouse.move(0, 0)
  await take(page, `session-${look}`)
  await page.context().close()
}

async function take(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: resolve(OUT, `${name}.png`), animations: 'disabled' })
  process.stdout.write(`docs/screenshots/${name}.png\n`)
}
