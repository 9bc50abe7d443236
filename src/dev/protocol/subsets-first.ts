import type { LogPage } from './change-log.ts'
import { afterSnapshot, compareOffsets } from './offset.ts'
import type { ShapeRequest } from './request-params.ts'

/**
 * Only a log of this size lets subsets go first. A small one is there before anybody notices, and clients
 * count on it: TanStack DB's own suite takes a small collection for complete 50 ms after its start.
 */
const largeLogBytes = 256 * 1024

/**
 * Whether an answer waits while subsets are under way. Who has the snapshot already and catches up with a few
 * changes does not, however large the log is: that keeps nobody busy.
 *
 * @param log - what the page is of; its size in characters.
 * @param page - what the answer would be without waiting.
 * @example
 * letsSubsetsGoFirst(request, log, page) // true for the first page of a large shape
 */
export function letsSubsetsGoFirst(
  { live, offset }: Pick<ShapeRequest, 'live' | 'offset'>,
  log: { readonly size: number },
  page: LogPage,
): boolean {
  if (live || log.size < largeLogBytes) return false
  const hasSnapshot = typeof offset === 'object' && compareOffsets(offset, afterSnapshot) >= 0
  if (!hasSnapshot || !page.complete) return true
  return page.messages.reduce((size, message) => size + message.length, 0) >= largeLogBytes
}
