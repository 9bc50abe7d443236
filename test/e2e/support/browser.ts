import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'

export const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Path of Chromium: the variable `CHROMIUM`, else Debian's. */
export const browserPath = () => process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Starts Chromium. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: browserPath(),
    headless: true,
    args: BROWSER_FLAGS,
  })
}

/** A user's window with its own cookies and storage, and its console output. */
export interface Window {
  readonly page: Page
  readonly context: BrowserContext
  /** Console errors and warnings, and uncaught exceptions. */
  readonly complaints: string[]
}

/** Options of a window. */
export interface WindowOptions extends BrowserContextOptions {
  /** Lets the assistant answer messages; off by default. */
  readonly answers?: boolean
}

/** Opens a context of a desktop's size whose actions wait up to a minute: the machine may be busy. */
export async function newContext(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options })
  context.setDefaultTimeout(60_000)
  return context
}

/** Opens a window and signs in as one of the demo's users. */
export async function openWindow(
  browser: Browser,
  url: string,
  user: string,
  { answers = false, ...options }: WindowOptions = {},
): Promise<Window> {
  const context = await newContext(browser, options)
  if (!answers) await context.addInitScript(() => window.localStorage.setItem('no-answers', 'yes'))
  const page = await context.newPage()
  const complaints = watchConsole(page)
  await page.goto(url)
  await page.getByTestId(`sign-in-${user}`).click()
  await page.getByTestId('session-list').waitFor()
  return { page, context, complaints }
}

/** Collects console errors and warnings (a hydration mismatch is one) and uncaught exceptions. */
export function watchConsole(page: Page, complaints: string[] = []): string[] {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)))
  return complaints
}
