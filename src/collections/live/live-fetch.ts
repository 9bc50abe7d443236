import { PRINCIPAL_HEADER } from '../../shapes/live-batch.ts'
import { shapesUrl } from '../shape-url.ts'
import {
  batchUrl,
  headerOf,
  type LiveAnswer,
  type LivePoller,
  LiveSharingUnavailable,
  livePollOf,
  toResponse,
} from './live-answer.ts'
import { createLiveHub } from './live-hub.ts'
import { watchPageSleep } from './page-sleep.ts'
import { createPrincipalPin } from './principal-pin.ts'
import { createSupport } from './support.ts'
import { browserTabTools, type TabChannel, type TabTools } from './tab-messages.ts'
import { createTabShare, type TabTimes } from './tab-share.ts'

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
  const pin = createPrincipalPin()
  const support = createSupport()
  const tools = options.tabTools === undefined ? browserTabTools() : options.tabTools
  let sharing: { readonly principal: string | undefined; readonly poller: LivePoller } | undefined

  let signOuts: TabChannel | undefined

  // Looked up per request: a page may replace fetch after this was made, as mocks do.
  const send: typeof fetch = (input, init) => (options.fetchClient ?? fetch)(input, init)

  const base = () => shapesUrl(options.electricUrl)
  const nameOf = (principal: string) => `session-db/1/${base()}/${principal}`

  const createPoller = () =>
    createLiveHub({
      url: batchUrl(base()),
      send,
      headers: options.headers,
      support,
    })

  function createSharing(principal: string | undefined): LivePoller {
    // Without the server's word on whose answers they are, they stay in this tab.
    if (principal === undefined || !tools) return createPoller()
    const share = createTabShare({
      name: nameOf(principal),
      tools,
      createPoller,
      isRefusal: (answer) => isRefusal(answer, principal),
      ...(options.tabTimes === undefined ? {} : { times: options.tabTimes }),
    })
    const stopWatching = watchPageSleep(share.sleep, share.wake)
    return {
      poll: share.poll,
      close() {
        stopWatching()
        share.close()
      },
    }
  }

  function pollerNow(): LivePoller {
    const principal = pin.current()
    if (sharing === undefined || sharing.principal !== principal) {
      sharing?.poller.close()
      sharing = { principal, poller: createSharing(principal) }
    }
    return sharing.poller
  }

  async function answer(
    input: Parameters<typeof fetch>[0],
    init: RequestInit | undefined,
  ): Promise<Response> {
    const poll = options.share ? livePollOf(input, init, base()) : undefined
    if (poll === undefined || !support.isLikely()) return send(input, init)
    try {
      const signal = init?.signal ?? new AbortController().signal
      return toResponse(await pollerNow().poll(poll, signal))
    } catch (error) {
      if (error instanceof LiveSharingUnavailable) return send(input, init)
      throw error
    }
  }

  function listenForSignOut(): void {
    const user = pin.user()
    if (signOuts !== undefined || user === undefined || !tools) return
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
      sharing?.poller.close()
      sharing = undefined
      signOuts?.close()
      signOuts = undefined
      pin.reset()
    },
  }
}

function isRefusal(answer: LiveAnswer, principal: string): boolean {
  return answer.status === 401 || (headerOf(answer, PRINCIPAL_HEADER) ?? principal) !== principal
}
