import { setTimeout as delay } from 'node:timers/promises'
import { createHttpClient, type HttpClient } from './http-get.ts'
import { followShape } from './live-client.ts'
import type { Side } from './proxy-sides.ts'

/** Opens so many live polls at once, and lets them wait. */
export async function openPolls(side: Side, count: number): Promise<HttpClient> {
  const http = createHttpClient()
  const client = await followShape(http, side.url('small'), side.query('small'))
  for (let opened = 0; opened < count; opened++) {
    // What is cut off when the crowd goes matters to nobody.
    client.poll().catch(() => undefined)
    // Connections that come all at once overflow the listening socket's queue.
    if (opened % 50 === 49) await delay(30)
  }
  await delay(1_000)
  return http
}
