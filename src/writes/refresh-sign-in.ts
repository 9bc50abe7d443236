/** Signs the user in anew; what it returns is added to the headers of every later request. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is what most will give.
export type RefreshSignIn = () => Promise<Readonly<Record<string, string>> | undefined | void>

/** Keeps requests signed in. */
export interface SignIn {
  /** Headers of the last refresh. */
  headers(): Readonly<Record<string, string>>
  /** Sends, and once more after a refresh when the answer is 401. Rejects as `send` does. */
  keep(send: () => Promise<Response>): Promise<Response>
}

/**
 * Answers 401 by a refresh: one for all requests that hear 401 at a time. A request that was sent
 * before a refresh had ended is sent again without another.
 */
export function createSignIn(refresh: RefreshSignIn | undefined): SignIn {
  let headers: Readonly<Record<string, string>> = {}
  let refreshes = 0
  let running: Promise<boolean> | undefined

  async function run(): Promise<boolean> {
    try {
      headers = (await refresh?.()) ?? headers
      refreshes += 1
      return true
    } catch {
      // The 401 says what the caller has to know.
      return false
    } finally {
      running = undefined
    }
  }

  return {
    headers: () => headers,
    async keep(send) {
      const before = refreshes
      const response = await send()
      if (response.status !== 401 || refresh === undefined) return response
      if (refreshes === before) {
        running ??= run()
        if (!(await running)) return response
      }
      await response.body?.cancel()
      return send()
    },
  }
}
