/** Signs the user in anew; what it returns is added to the headers of every later request. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is what most will give.
export type RefreshSignIn = () => Promise<Readonly<Record<string, string>> | undefined | void>

/** Keeps requests signed in. */
export interface SignIn {
  /** Headers of the last refresh. */
  headers(): Readonly<Record<string, string>>
  /** How many refreshes have succeeded so far: noted before a request is sent. */
  refreshes(): number
  /**
   * Sees to it that the user is signed in anew since `since` refreshes.
   *
   * @returns false when that is not possible: the 401 says what the caller has to know.
   */
  renew(since: number): Promise<boolean>
  /** Sends, and once more after a refresh when the answer is 401. Rejects as `send` does. */
  keep(send: () => Promise<Response>): Promise<Response>
  /** Lets a refresh that has failed be tried again at once. */
  reset(): void
}

/**
 * Answers 401 by a refresh: one for all requests that hear 401 at a time. A request that was sent
 * before a refresh had ended is sent again without another.
 *
 * @param afterFailureMs a refresh that has failed is not tried again for so long
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
