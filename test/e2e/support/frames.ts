import type { Locator } from 'playwright-core'

/** Frame times of a scroll, in milliseconds. */
export interface ScrollReport {
  readonly frames: number
  readonly longest: number
  readonly median: number
  readonly p99: number
  /** Frames of more than 100 ms. */
  readonly slow: number
}

/**
 * Scrolls an element from its start to its end, one step per frame, and measures each frame in the page.
 *
 * @param step pixels per frame
 * @param limit pixels after which it stops
 */
export function scrollToEnd(
  element: Locator,
  step: number,
  limit = Number.MAX_SAFE_INTEGER,
): Promise<ScrollReport> {
  return element.evaluate(
    async (scroller, [pixels, enough]) => {
      const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve))
      scroller.scrollTop = 0
      const times: number[] = []
      // The first paint of the list is not counted.
      await frame()
      let before = await frame()
      // Row heights are measured while scrolling, so the end moves.
      while (
        scroller.scrollTop < enough &&
        scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 1
      ) {
        scroller.scrollTop += pixels
        const now = await frame()
        times.push(now - before)
        before = now
      }
      const sorted = times.toSorted((a, b) => a - b)
      const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
      return {
        frames: times.length,
        longest: at(1),
        median: at(0.5),
        p99: at(0.99),
        slow: times.filter((time) => time > 100).length,
      }
    },
    [step, limit] as const,
  )
}
