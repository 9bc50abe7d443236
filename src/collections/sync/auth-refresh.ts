import { SessionDbError } from '../../errors.ts'
import type { WriteAdapter, WriteAdapterOptions } from '../../writes/adapter.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import {
  createSignIn,
  type RefreshSignIn,
  type RequestHeaders,
  resolveHeaders,
} from '../../writes/sign-in.ts'

/** Authentication shared by the streams, writes and uploads of one page. */
export interface AuthRefresh {
  /** Returns the current headers of a request. */
  headers(): Promise<Record<string, string>>
  /** Wraps fetch: adds the headers, and after a 401 refreshes the sign-in and repeats the request. */
  fetch(send: typeof fetch): typeof fetch
  /** Does the same for writes: a refused batch is sent once more, with its id. */
  writes(adapter: WriteAdapter): WriteAdapter
  /** Allows a failed refresh to be tried again immediately. */
  reset(): void
}

/** How long a failed refresh is not tried again, in ms: all streams receive their 401 together. */
const AFTER_FAILURE_MS = 10_000

/**
 * Creates the handling of 401. However many requests are refused at a time, the app's
 * `onUnauthenticated` runs once, and requests sent before it finished are repeated with its result.
 */
export function createAuthRefresh(options: {
  readonly headers?: RequestHeaders | undefined
  readonly onUnauthenticated?: RefreshSignIn
}): AuthRefresh {
  const signIn = createSignIn(options.onUnauthenticated, AFTER_FAILURE_MS)

  async function headers(): Promise<Record<string, string>> {
    return withHeaders(await resolveHeaders(options.headers), signIn.headers())
  }

  return {
    headers,
    fetch(send) {
      return async (input, init) => {
        const since = signIn.refreshes()
        const attempt = async () =>
          send(input, { ...init, headers: withHeaders(init?.headers, await headers()) })
        // Electric's client prefetches with the previous request's headers, which may be outdated.
        const first = await attempt()
        if (first.status !== 401 || !(await signIn.renew(since))) return first
        void first.body?.cancel()
        return attempt()
      }
    },
    writes(adapter) {
      if (options.onUnauthenticated === undefined) return adapter
      const write: WriteAdapter = async (batch, adapterOptions) => {
        const since = signIn.refreshes()
        const attempt = () => adapter(batch, { ...adapterOptions, headers: signIn.headers() })
        try {
          const outcome = await attempt()
          const isRefused = 'error' in outcome && outcome.error.code === 'unauthenticated'
          return isRefused && (await signIn.renew(since)) ? await attempt() : outcome
        } catch (error) {
          const isRefused = error instanceof SessionDbError && error.code === 'unauthenticated'
          if (isRefused && (await signIn.renew(since))) return attempt()
          throw error
        }
      }
      const { sendAll } = adapter
      if (sendAll === undefined) return write
      // Refused batches are sent again one by one, which refreshes the sign-in.
      return Object.assign(write, {
        sendAll: (batches: readonly WriteBatchInput[], more?: WriteAdapterOptions) =>
          sendAll(batches, { ...more, headers: signIn.headers() }),
      })
    },
    reset: signIn.reset,
  }
}

/** Merges headers regardless of case; later ones replace earlier ones. */
function withHeaders(
  given: HeadersInit | undefined,
  later: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers = new Headers(given)
  for (const [name, value] of Object.entries(later)) headers.set(name, value)
  return Object.fromEntries(headers)
}
