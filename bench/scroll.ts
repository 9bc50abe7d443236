import type { Page } from 'playwright-core'
import { firstEvent } from '../test/e2e/support/app.ts'
import { launchBrowser, openWindow } from '../test/e2e/support/browser.ts'
import { type Demo, startDemo, temporaryDataDir } from '../test/e2e/support/demo.ts'
import { type ScrollReport, scrollToEnd } from '../test/e2e/support/frames.ts'
import { EVENTS, LONG_SESSION, uploadLongSession } from '../test/e2e/support/long-session.ts'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'

/** Pixels per frame at 60 frames per second, and the distance. */
const SPEEDS = {
  /** The whole length in half a minute: 3,300 events a second. */
  'end to end': { step: 4_000, limit: Number.MAX_SAFE_INTEGER },
  /** As fast as a scroll wheel: every event is loaded and shown. */
  'every event loaded': { step: 400, limit: 400_000 },
} as const
type Speed = keyof typeof SPEEDS

/** A frame over 100 ms is late; at 60 Hz one takes 17 ms. */
const LATE = { over: 100 - 17 }
const ROUNDS = 3

/**
 * Scrolls a session of 100,000 events in Chromium, frame by frame, against an empty page of the same
 * length, whose slow frames are the machine's. (A plain list of 100,000 lines is no useful reference:
 * it has more slow frames than the timeline, and its first takes seconds.)
 */
export const benchmark: Benchmark = { name: 'scroll', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  const dataDir = await temporaryDataDir()
  const demo = await startDemo({ dataDir: dataDir.path })
  try {
    await uploadLongSession(demo.databaseUrl)
    return await scroll(context, demo)
  } finally {
    await demo.stop()
    await dataDir.remove()
  }
}

async function scroll({ rounds, note }: BenchContext, demo: Demo): Promise<Comparison[]> {
  const browser = await launchBrowser()
  try {
    const { page, context } = await openWindow(browser, demo.url, 'ann')
    await page.close()
    const reports: Record<Speed, { ours: ScrollReport[]; reference: ScrollReport[] }> = {
      'end to end': { ours: [], reference: [] },
      'every event loaded': { ours: [], reference: [] },
    }
    for (let round = 0; round < Math.min(rounds, ROUNDS); round += 1) {
      for (const speed of Object.keys(SPEEDS) as Speed[]) {
        for (const [side, open] of [
          ['reference', openEmptyPage],
          ['ours', (each: Page) => openSession(each, demo.url)],
        ] as const) {
          const page = await context.newPage()
          await open(page)
          const { step, limit } = SPEEDS[speed]
          const report = await scrollToEnd(page.getByTestId('timeline'), step, limit)
          note(`${speed}, ${side}: ${JSON.stringify(report)}`)
          reports[speed][side].push(report)
          await page.close()
        }
      }
    }
    return (Object.keys(SPEEDS) as Speed[]).flatMap((speed) => compareFrames(speed, reports[speed]))
  } finally {
    await browser.close()
  }
}

function compareFrames(
  speed: Speed,
  { ours, reference }: { ours: ScrollReport[]; reference: ScrollReport[] },
): Comparison[] {
  const each = (name: 'longest' | 'p99' | 'median') => ({
    name: `${EVENTS.toLocaleString('en')} events, ${speed}: ${name} frame`,
    unit: 'ms',
    ours: ours.map(({ [name]: time }) => time),
    reference: reference.map(({ [name]: time }) => time),
    referenceName: 'empty page',
  })
  return [
    compare({ ...each('longest'), goal: LATE }),
    compare(each('p99')),
    compare(each('median')),
  ]
}

async function openSession(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/sessions/${LONG_SESSION}`)
  await firstEvent(page).waitFor({ timeout: 60_000 })
}

/** A striped page as long as the list would be with rows of 72 pixels. */
async function openEmptyPage(page: Page): Promise<void> {
  const stripes = 'repeating-linear-gradient(white 0 71px, silver 71px 72px)'
  await page.setContent(`<!doctype html><title>Empty page</title>
    <div data-testid="timeline" style="height: 800px; overflow-y: auto; contain: strict">
      <div style="height: ${EVENTS * 72}px; background: ${stripes}"></div>
    </div>`)
}
