import { shareLiveRequests } from '../../live/server/share-live-requests.ts'
import type { Principal } from '../../schema/principal.ts'
import { createNodeFetch } from './node-fetch.ts'
import {
  createShapeProxy as createPortableShapeProxy,
  type ShapeHandler,
  type ShapeProxyOptions,
} from './shape-proxy.ts'

/** Bun replaces the package undici by its own, which lacks what `createNodeFetch` uses. */
function isBun(): boolean {
  return 'bun' in process.versions
}

/**
 * Serves named shapes to browsers: authenticates, resolves the shape's name (the last segment of the
 * path) and its parameters to table, columns and condition, and streams Electric's response. It
 * needs no database and keeps no state between requests, so any number of instances can run. `POST
 * _live` beside the shapes serves many live requests over one connection.
 *
 * This is the proxy of `@org/session-db/proxy` for Node. Unless `fetchClient` is given, it requests
 * shapes over undici, which takes less memory per waiting request and copies no bodies, and it sends
 * concurrent live requests for the same place of a shape to Electric as one.
 *
 * Every refusal is a typed JSON response: 400, 401, 404, 405, 413, 429 with Retry-After, or 502 and
 * 503 with Retry-After when Electric is not available. The returned function never rejects.
 *
 * @throws TypeError when `electricUrl` is not an http(s) URL, or a limit is not a number above 0.
 * @example
 * const serveShape = createShapeProxy({
 *   electricUrl: process.env.ELECTRIC_URL,
 *   secret: process.env.ELECTRIC_SECRET,
 *   authenticate: (request) => principalOf(request),
 * })
 * // GET /api/shapes/session-messages?sessionId=s1&offset=-1
 * const response = await serveShape(request)
 */
export function createShapeProxy<P extends Principal = Principal>(
  options: ShapeProxyOptions<P>,
): ShapeHandler {
  return createPortableShapeProxy<P>({
    ...options,
    fetchClient: options.fetchClient ?? shareLiveRequests(isBun() ? fetch : createNodeFetch()),
  })
}
