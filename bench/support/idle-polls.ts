import { setTimeout as delay } from 'node:timers/promises'
import { createHttpClient, type HttpClient } from './http-get.ts'
import type { Side } from './proxy-sides.ts'
import { readShape, readWholeShape } from './shape-reader.ts'

/** Where clients wait: all at the same position of a shape, or each with its own cursor. */
export type Places = 'one' | 'each its own'

let cursors = 0

/** Opens this many live polls and lets them wait. */
export async function openPolls(side: Side, count: number, places: Places): Promise<HttpClient> {
  const http = createHttpClient()
  const [url, query] = [side.url('small'), side.query('small')]
  const end = await readWholeShape(http, url, query)
  for (let opened = 0; opened < count; opened++) {
    const place = places === 'one' ? end : { ...end, cursor: String(++cursors) }
    // Requests that are aborted at the end are ignored.
    readShape(http, url, query, place, true).catch(() => undefined)
    // Opening all connections at the same moment would overflow the listening socket's queue.
    if (opened % 50 === 49) await delay(30)
  }
  await delay(1_000)
  return http
}
