import { shareLiveRequests } from '../../live/server/share-live-requests.ts'
import type { Principal } from '../../schema/principal.ts'
import { createNodeFetch } from './node-fetch.ts'
import {
  createShapeProxy as createPortableShapeProxy,
  type ShapeProxyOptions,
} from './shape-proxy.ts'

/**
 * Serves named shapes to browsers: authenticates, turns the shape's name (the last segment of the
 * path) and its parameters into table, columns and condition, and streams Electric's answer.
 * Needs no database and no state, so any number of instances serve alike. `POST _live` beside the
 * shapes answers many live requests over one connection.
 *
 * It is that of the entry `@org/session-db/proxy`, but for Node: unless `fetch` is given, Electric is
 * asked over undici, which takes less memory for each request that waits, and copies no bodies; and
 * live requests that wait at the same place of a shape are one to Electric.
 *
 * The answer is typed JSON for every refusal: 400, 401, 404, 405, 413, 429 with Retry-After, or 502
 * and 503 with Retry-After when Electric cannot answer. It never rejects.
 *
 * @throws TypeError when `electricUrl` is not an http(s) URL, or a limit no number above 0.
 * @example
 * const serveShape = createShapeProxy({
 *   electricUrl: process.env.ELECTRIC_URL,
 *   secret: process.env.ELECTRIC_SECRET,
 *   authenticate: (request) => principalOf(request),
 * })
 * // GET /api/shapes/thread-messages?threadId=t1&offset=-1
 * const response = await serveShape(request)
 */
export function createShapeProxy<P extends Principal = Principal>(
  options: ShapeProxyOptions<P>,
): (request: Request) => Promise<Response> {
  return createPortableShapeProxy<P>({ fetch: shareLiveRequests(createNodeFetch()), ...options })
}
