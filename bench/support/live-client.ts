import type { HttpClient } from './http-get.ts'
import { readShape, readWholeShape, type ShapePosition, type ShapeQuery } from './shape-reader.ts'

/** A client that holds one live poll at a time. */
export interface LiveClient {
  readonly position: ShapePosition
  /** Number of restarts after a 409. */
  readonly refetches: number
  /** Sends the next live poll; resolves with its whole response. */
  poll(): Promise<Buffer>
}

/**
 * Reads a shape from the beginning and follows it.
 *
 * @example
 * const client = await followShape(http, server.url, { table: 'items' })
 * const answer = client.poll()
 */
export async function followShape(
  http: HttpClient,
  serverUrl: string,
  query: ShapeQuery,
): Promise<LiveClient> {
  let position = await readWholeShape(http, serverUrl, query)
  let refetches = 0
  return {
    get position() {
      return position
    },
    get refetches() {
      return refetches
    },
    async poll() {
      const answer = await readShape(http, serverUrl, query, position, true)
      if (answer.mustRefetch) {
        refetches += 1
        position = await readWholeShape(http, serverUrl, query)
      } else position = answer.position
      return answer.body
    },
  }
}
