import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchBrowser, openWindow } from '../test/e2e/support/browser.ts'
import { startDemo, temporaryDataDir } from '../test/e2e/support/demo.ts'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'

const GOAL = { ratio: 1.5 }
const ROUNDS = 7
const MEASURES = { paint: 'first contentful paint', session: 'first session' } as const
type Times = Record<keyof typeof MEASURES, number>

/**
 * Opens the example app in Chromium, with an empty and with a filled cache, against the same page with static
 * data: HTML, scripts and rows come from the memory of a server that checks no sign-in and asks no database.
 */
export const benchmark: Benchmark = { name: 'page', run }

async function run({ rounds, note }: BenchContext): Promise<Comparison[]> {
  const dataDir = await temporaryDataDir()
  const demo = await startDemo({ dataDir: dataDir.path })
  const copy = await startCopy(demo.url)
  const browser = await launchBrowser()
  try {
    const { context: signedIn } = await openWindow(browser, demo.url, 'ann')
    const cookies = await signedIn.cookies()
    await signedIn.close()
    const samples = {
      cold: { ours: [] as Times[], reference: [] as Times[] },
      warm: { ours: [] as Times[], reference: [] as Times[] },
    }
    // The first round fills the copy and the server's caches.
    for (let round = -1; round < Math.min(rounds, ROUNDS); round += 1) {
      for (const [side, url] of [
        ['reference', copy.url],
        ['ours', demo.url],
      ] as const) {
        const { cold, warm } = await visit(browser, url, cookies)
        note(`${side}: cold ${JSON.stringify(cold)}, warm ${JSON.stringify(warm)}`)
        if (round < 0) continue
        samples.cold[side].push(cold)
        samples.warm[side].push(warm)
      }
    }
    return (['cold', 'warm'] as const).flatMap((cache) =>
      (['paint', 'session'] as const).map((measure) =>
        compare({
          name: `${MEASURES[measure]}, ${cache}`,
          unit: 'ms',
          ours: samples[cache].ours.map((times) => times[measure]),
          reference: samples[cache].reference.map((times) => times[measure]),
          referenceName: 'static page',
          goal: GOAL,
        }),
      ),
    )
  } finally {
    await browser.close()
    await copy.close()
    await demo.stop()
    await dataDir.remove()
  }
}

/** Opens the page with an empty cache, and once more with what the first visit has cached. */
async function visit(
  browser: Browser,
  url: string,
  cookies: Awaited<ReturnType<BrowserContext['cookies']>>,
): Promise<{ cold: Times; warm: Times }> {
  const context = await browser.newContext()
  await context.addCookies(cookies)
  await context.addInitScript(watchFirstSession)
  const page = await context.newPage()
  const cold = await timesOf(page, url)
  const warm = await timesOf(page, url)
  await context.close()
  return { cold, warm }
}

interface TimedPage {
  /** The time of the first session in the list since the start of the navigation, in ms. */
  firstSessionMs?: number
}

/** Runs in the page, before its own scripts. */
function watchFirstSession(): void {
  const check = () => {
    if (document.querySelector('[data-testid="session-list"] a') === null) return
    observer.disconnect()
    Object.assign(window, { firstSessionMs: performance.now() })
  }
  const observer = new MutationObserver(check)
  observer.observe(document, { childList: true, subtree: true })
}

async function timesOf(page: Page, url: string): Promise<Times> {
  await page.goto(url, { waitUntil: 'commit' })
  await page.waitForFunction(() => {
    const [paint] = performance.getEntriesByName('first-contentful-paint')
    return paint !== undefined && (window as TimedPage).firstSessionMs !== undefined
  })
  return page.evaluate(() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
    session: (window as TimedPage).firstSessionMs ?? Number.NaN,
  }))
}

interface Stored {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Serves a site's pages and assets from memory. Data that the page asks for later never arrives. */
async function startCopy(origin: string): Promise<{ url: string; close: () => Promise<void> }> {
  const stored = new Map<string, Promise<Stored>>()
  const server = createServer(async (incoming, outgoing) => {
    const { url = '/', headers } = incoming
    if (url.startsWith('/api/') || url.startsWith('/_serverFn/')) return
    const answer = stored.get(url) ?? load(`${origin}${url}`, headers)
    stored.set(url, answer)
    const { status, headers: sent, body } = await answer
    const { 'transfer-encoding': _, connection: __, ...rest } = sent
    outgoing.writeHead(status, { ...rest, 'content-length': body.length }).end(body)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => closed(server),
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((done) => server.close(() => done()))
}

function load(url: string, headers: IncomingHttpHeaders): Promise<Stored> {
  const { cookie, accept, 'accept-encoding': encoding } = headers
  return new Promise((done, failed) => {
    const asked = request(url, { headers: { cookie, accept, 'accept-encoding': encoding } })
    asked.once('error', failed)
    asked.once('response', async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      const { statusCode: status = 500 } = response
      done({ status, headers: response.headers, body: Buffer.concat(chunks) })
    })
    asked.end()
  })
}
