import { AFTER_SNAPSHOT, compareOffsets } from './offset.ts'
import type { ShapeRequest } from './requests.ts'
import type { LogPage } from './shape-log.ts'

/**
 * A client that asks for a few rows (a subset) and for the whole shape at the same time wants to show the
 * few rows first. So large pages wait while subset requests are in progress, across all shapes, because a
 * view joins several.
 */
export interface SubsetQueue {
  /** Counts a subset request until it is answered and the client has had time to show the rows. */
  add<T>(answering: Promise<T>): Promise<T>
  /** Resolves when the subsets in progress are answered, after 500 ms at most; false if there were none. */
  goFirst(): Promise<boolean>
}

const MAX_WAIT_MS = 500

/**
 * Creates an empty queue.
 *
 * @param lingerMs how long an answered subset still counts, so that both answers don't arrive as one
 */
export function createSubsetQueue(lingerMs: number): SubsetQueue {
  const inProgress = new Set<Promise<unknown>>()
  const linger = () =>
    lingerMs === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, lingerMs))
  return {
    add(answering) {
      const shown = answering.then(linger, linger).finally(() => inProgress.delete(shown))
      inProgress.add(shown)
      return answering
    },
    async goFirst() {
      if (inProgress.size === 0) return false
      let timer: ReturnType<typeof setTimeout> | undefined
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, MAX_WAIT_MS)
      })
      await Promise.race([Promise.allSettled(inProgress), timeout])
      clearTimeout(timer)
      return true
    },
  }
}

/**
 * Smaller logs never wait. Clients rely on that: TanStack DB's own suite expects a small collection to be
 * complete 50 ms after its start.
 */
const LARGE_LOG_BYTES = 256 * 1024

/** Returns whether a page lets subsets go first. A client that only catches up with a few changes need not wait. */
export function letsSubsetsGoFirst(
  { live, offset }: Pick<ShapeRequest, 'live' | 'offset'>,
  log: { readonly size: number },
  page: LogPage,
): boolean {
  if (live || log.size < LARGE_LOG_BYTES) return false
  const hasSnapshot = typeof offset === 'object' && compareOffsets(offset, AFTER_SNAPSHOT) >= 0
  if (!hasSnapshot || !page.complete) return true
  return page.messages.reduce((size, message) => size + message.length, 0) >= LARGE_LOG_BYTES
}
