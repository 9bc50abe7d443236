import { shapesUrl } from '../../collections/sync/shape-url.ts'
import { livePollOf } from './live-poll.ts'
import { createPrincipalPin } from './principal-pin.ts'
import { createSharing, type Sharing } from './sharing.ts'
import { browserTabTools, type TabChannel, type TabTools } from './tab-messages.ts'
import type { TabTimes } from './tab-share.ts'

/** How live polls are shared. */
export interface LiveFetchOptions {
  readonly electricUrl: string
  /** False: every live poll is a request of its own. */
  readonly share: boolean
  readonly fetchClient?: typeof fetch
  /** Headers of a shape request, asked anew for every batch. */
  readonly headers: () => Promise<Record<string, string>>
  /** The user has signed out in another tab. */
  readonly onSignedOut: () => void
  /** What to share across tabs by; the browser's own by default, null for no other tabs. */
  readonly tabTools?: TabTools | null
  readonly tabTimes?: Partial<TabTimes>
}

/** A fetch for shape streams. */
export interface LiveFetch {
  readonly fetch: typeof fetch
  /** Tells the other tabs of the same user that it has signed out. */
  signOut(): void
  /** Gives up all connections and forgets whose they were. The next poll starts afresh. */
  reset(): void
}

/**
 * Creates the fetch that all streams of one page use. Live long polls go through one shared
 * connection per browser profile; everything else, and live polls where sharing is not to be had,
 * goes straight.
 */
export function createLiveFetch(options: LiveFetchOptions): LiveFetch {
  const { share } = options
  const pin = createPrincipalPin()
  const tools = (options.tabTools === undefined ? browserTabTools() : options.tabTools) ?? undefined
  let sharing: Sharing | undefined
  let signOuts: TabChannel | undefined

  // Looked up per request: a page may replace fetch after this was made, as mocks do.
  const send: typeof fetch = (input, init) => (options.fetchClient ?? fetch)(input, init)

  const base = () => shapesUrl(options.electricUrl)
  const nameOf = (principal: string) => `session-db/1/${base()}/${principal}`

  async function answer(
    input: Parameters<typeof fetch>[0],
    init: RequestInit | undefined,
  ): Promise<Response> {
    const poll = share ? livePollOf(input, init, base()) : undefined
    if (poll === undefined) return send(input, init)
    const signal = init?.signal ?? new AbortController().signal
    sharing ??= createSharing({
      base: base(),
      send,
      headers: options.headers,
      nameOf,
      tools,
      ...(options.tabTimes === undefined ? {} : { tabTimes: options.tabTimes }),
    })
    return (await sharing.poll(poll, pin.current(), signal)) ?? send(input, init)
  }

  function listenForSignOut(): void {
    const user = pin.user()
    if (signOuts !== undefined || user === undefined || tools === undefined) return
    signOuts = tools.openChannel(`${nameOf(user)}/sign-out`)
    signOuts.onmessage = ({ data }) => {
      if (data.type === 'signed-out') options.onSignedOut()
    }
  }

  return {
    async fetch(input, init) {
      const response = pin.check(await answer(input, init))
      listenForSignOut()
      return response
    },
    signOut: () => signOuts?.postMessage({ type: 'signed-out' }),
    reset() {
      sharing?.close()
      signOuts?.close()
      signOuts = undefined
      pin.reset()
    },
  }
}
