import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { BrowserContext } from 'playwright-core'
import { launchBrowser } from '../test/e2e/support/browser.ts'
import { type PageSite, startPageSite } from '../test/e2e/support/page-site.ts'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'

/** Rows on the device must show at least three times sooner than rows over the network. */
const GOAL = { ratio: 0.3 }
const SESSIONS = 500
/** A server in the same region over a good mobile network: round trip in ms, and bytes per second. */
const NETWORK = { latency: 60, downloadThroughput: 1_250_000, uploadThroughput: 625_000 }
const ROUNDS = 7

/**
 * Reloads a page with a list of sessions in Chromium: the time from the creation of the collections to
 * the first rows, with the rows of the last visit in IndexedDB against reading them from the server.
 */
export const benchmark: Benchmark = { name: 'reload', run }

async function run({ rounds, note }: BenchContext): Promise<Comparison[]> {
  const ann = { tenantId: 't1', userId: 'ann' }
  const script = resolve(import.meta.dirname, 'support/reload-page.ts')
  const site = await startPageSite(script, () => ann)
  const browser = await launchBrowser()
  try {
    await site.store.write(ann, {
      id: randomUUID(),
      mutations: Array.from({ length: SESSIONS }, (_, n) => ({
        collection: 'sessions',
        type: 'insert',
        value: { id: `s${n}`, title: `Session ${n} of the benchmark` },
      })),
    })
    const context = await browser.newContext()
    const samples = { ours: [] as number[], reference: [] as number[] }
    await firstRows(context, site, 'disk')
    for (let round = 0; round < Math.min(rounds, ROUNDS); round += 1) {
      samples.reference.push(await firstRows(context, site, 'network'))
      samples.ours.push(await firstRows(context, site, 'disk'))
    }
    note(JSON.stringify(samples))
    return [
      compare({
        name: `first of ${SESSIONS} rows after a reload, 60 ms round trip`,
        unit: 'ms',
        ...samples,
        referenceName: 'rows from the server',
        goal: GOAL,
      }),
    ]
  } finally {
    await browser.close()
    await site.close()
  }
}

interface TimedPage {
  /** From the creation of the collections to the first rows, in ms. */
  readonly firstRowsMs?: number
  readonly isStored?: boolean
}

/** Loads the page and returns when it showed its first rows; leaves when the device has them. */
async function firstRows(
  context: BrowserContext,
  site: PageSite,
  source: 'disk' | 'network',
): Promise<number> {
  const page = await context.newPage()
  const devtools = await context.newCDPSession(page)
  await devtools.send('Network.emulateNetworkConditions', { offline: false, ...NETWORK })
  await page.goto(`${site.url}/?rows=${source}`)
  await page.waitForFunction(() => (window as TimedPage).isStored === true)
  const time = await page.evaluate(() => (window as TimedPage).firstRowsMs)
  await page.close()
  return time ?? Number.NaN
}
