/** Headers of a request. A function is called for every request, for example to read the latest token. */
export type RequestHeaders = Readonly<Record<string, string | (() => string | Promise<string>)>>

/** Calls the functions among the headers and returns what a request is sent with. */
export async function resolveHeaders(
  headers: RequestHeaders | undefined,
): Promise<Record<string, string>> {
  const entries = Object.entries(headers ?? {}).map(
    async ([name, value]) => [name, typeof value === 'function' ? await value() : value] as const,
  )
  return Object.fromEntries(await Promise.all(entries))
}

/** Refreshes the sign-in. The headers it returns are added to every later request. */
// biome-ignore lint/suspicious/noConfusingVoidType: most refresh functions set a cookie and return nothing.
export type RefreshSignIn = () => Promise<Readonly<Record<string, string>> | undefined | void>

/** The sign-in that streams and writes share. */
export interface SignIn {
  /** The headers that the last refresh returned. */
  headers(): Readonly<Record<string, string>>
  /** The number of successful refreshes so far; read it before sending a request and pass it to `renew`. */
  refreshes(): number
  /**
   * Refreshes the sign-in, unless it has been refreshed more than `since` times already.
   *
   * @returns false if it could not be refreshed; the caller then passes the 401 on
   */
  renew(since: number): Promise<boolean>
  /** Sends, and sends once more after a refresh if the response is 401. Rejects as `send` does. */
  keep(send: () => Promise<Response>): Promise<Response>
  /** Allows a failed refresh to be retried immediately. */
  reset(): void
}

/**
 * Creates a sign-in that refreshes on 401. Concurrent requests share one refresh, and a request that was sent
 * before a refresh ended is resent without another one.
 *
 * @param afterFailureMs how long a failed refresh is not retried, in ms
 */
export function createSignIn(refresh: RefreshSignIn | undefined, afterFailureMs = 0): SignIn {
  let headers: Readonly<Record<string, string>> = {}
  let refreshes = 0
  let failedAt = Number.NEGATIVE_INFINITY
  let running: Promise<boolean> | undefined

  async function run(sign: RefreshSignIn): Promise<boolean> {
    try {
      headers = (await sign()) ?? headers
      refreshes += 1
      return true
    } catch {
      failedAt = Date.now()
      return false
    } finally {
      running = undefined
    }
  }

  async function renew(since: number): Promise<boolean> {
    if (refreshes > since) return true
    if (refresh === undefined || Date.now() - failedAt < afterFailureMs) return false
    running ??= run(refresh)
    return running
  }

  return {
    headers: () => headers,
    refreshes: () => refreshes,
    renew,
    async keep(send) {
      const since = refreshes
      const response = await send()
      if (response.status !== 401 || !(await renew(since))) return response
      await response.body?.cancel()
      return send()
    },
    reset() {
      failedAt = Number.NEGATIVE_INFINITY
    },
  }
}
