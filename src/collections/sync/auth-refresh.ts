import type { ShapeStreamOptions } from '@electric-sql/client'
import { SessionDbError } from '../../errors.ts'
import type { WriteAdapter } from '../../writes/adapter.ts'
import { createSignIn, type RefreshSignIn } from '../../writes/refresh-sign-in.ts'

/** What the streams and the writes of one page have in common as to who asks. */
export interface AuthRefresh {
  /** The headers of a shape request as they are now. */
  headers(): Promise<Record<string, string>>
  /** Answers 401 by one refresh for all, and asks once more. */
  fetch(send: typeof fetch): typeof fetch
  /** The same for writes: a batch that was refused is sent once more, with its id. */
  writes(adapter: WriteAdapter): WriteAdapter
  /** The same for any other request; `send` gets the headers of the last refresh. */
  readonly keep: KeepSignedIn
  /** Lets a refresh that has failed be tried again at once. */
  reset(): void
}

/** Sends a request, and once more when it was refused and the user could be signed in anew. */
export type KeepSignedIn = (
  send: (headers: Readonly<Record<string, string>>) => Promise<Response>,
) => Promise<Response>

/** A refresh that has failed is not tried again for so long, in ms: all streams hear 401 at a time. */
const AFTER_FAILURE_MS = 10_000

/**
 * Creates the handling of 401. However many streams and writes are refused at a time, the app's
 * `onUnauthenticated` runs once; a request that was sent before it finished profits from it, too.
 */
export function createAuthRefresh(options: {
  readonly headers?: ShapeStreamOptions['headers']
  readonly onUnauthenticated?: RefreshSignIn
}): AuthRefresh {
  const signIn = createSignIn(options.onUnauthenticated, AFTER_FAILURE_MS)

  async function headers(): Promise<Record<string, string>> {
    const entries = Object.entries(options.headers ?? {}).map(async ([name, value]) => {
      return [name, typeof value === 'function' ? await value() : value] as const
    })
    return withHeaders(Object.fromEntries(await Promise.all(entries)), signIn.headers())
  }

  return {
    headers,
    fetch(send) {
      return async (input, init) => {
        const since = signIn.refreshes()
        const ask = async () =>
          send(input, { ...init, headers: withHeaders(init?.headers, await headers()) })
        // The client asks ahead with the headers of the request before, which a refresh may have outdated.
        const first = await ask()
        if (first.status !== 401 || !(await signIn.renew(since))) return first
        void first.body?.cancel()
        return ask()
      }
    },
    writes(adapter) {
      if (options.onUnauthenticated === undefined) return adapter
      return async (batch, adapterOptions) => {
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
    },
    keep: (send) => signIn.keep(() => send(signIn.headers())),
    reset: signIn.reset,
  }
}

/** Later headers replace earlier ones, whatever the case of their names. */
function withHeaders(
  given: HeadersInit | undefined,
  later: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers = new Headers(given)
  for (const [name, value] of Object.entries(later)) headers.set(name, value)
  return Object.fromEntries(headers)
}
