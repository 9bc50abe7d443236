import { PRINCIPAL_HEADER } from '../../live/principal-header.ts'

const PASSED_ON = /^(?:content-type|etag|electric-.+)$/
const KEPT_BACK = /^electric-server$/

const EXPOSED = [
  'electric-cursor',
  'electric-handle',
  'electric-has-data',
  'electric-offset',
  'electric-schema',
  'electric-snapshot',
  'electric-up-to-date',
  'electric-internal-known-error',
  'etag',
  'retry-after',
  PRINCIPAL_HEADER,
].join(',')

/**
 * The headers of a good answer: the protocol's own and nothing else of the engine's. What one user
 * may see must not reach another through a cache, so it is private, and kept by the browser only to
 * ask again with its ETag; a live answer is not kept at all.
 */
export function answerHeaders(upstream: Headers, live: boolean): Headers {
  const headers = new Headers()
  for (const [name, value] of upstream) {
    if (PASSED_ON.test(name) && !KEPT_BACK.test(name)) headers.set(name, value)
  }
  headers.set('cache-control', live ? 'private, no-store' : 'private, no-cache')
  headers.set('vary', 'Cookie, Authorization')
  headers.set('access-control-expose-headers', EXPOSED)
  headers.set('x-content-type-options', 'nosniff')
  return headers
}
