import type { WriteAdapter } from './adapter.ts'
import type { WriteOutcome } from './result.ts'

/** Where and how `createHttpWriteAdapter` posts. */
export interface HttpWriteAdapterOptions {
  /** The URL of the app's write route, absolute or relative to the page. */
  readonly url: string
  /** Extra headers, for example a bearer token; asked anew for every request. */
  readonly headers?: () => Record<string, string> | Promise<Record<string, string>>
  /** Replaces `fetch`, for example in tests. */
  readonly fetch?: typeof fetch
}

/**
 * Posts each batch as JSON to one URL, the counterpart of `createWriteHandler` on the server.
 *
 * @example
 * const writeAdapter = createHttpWriteAdapter({ url: '/api/write' })
 */
export function createHttpWriteAdapter(options: HttpWriteAdapterOptions): WriteAdapter {
  const send = options.fetch ?? fetch
  return async (batch, { signal } = {}) => {
    const response = await send(options.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(await options.headers?.()) },
      body: JSON.stringify(batch),
      ...(signal === undefined ? {} : { signal }),
    })
    return (await response.json()) as WriteOutcome
  }
}
