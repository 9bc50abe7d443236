import { shapesUrl } from '../../shapes/shape-url.ts'
import { isLongPoll, LIVE_BATCH_NAME, type LivePoll, PRINCIPAL_HEADER } from '../protocol.ts'
import {
  headerOf,
  type LiveAnswer,
  type LivePoller,
  LiveSharingUnavailable,
  type LiveState,
  toResponse,
} from './live-answer.ts'
import { createEndpointSupport, createLiveHub } from './live-hub.ts'
import { createPrincipalPin } from './principal-pin.ts'
import { browserTabTools, type TabChannel, type TabTools } from './tab-messages.ts'
import { createTabShare, type TabTimes } from './tab-share.ts'

/** Options of `createLiveFetch`. */
export interface LiveFetchOptions {
  readonly electricUrl: string
  /** False: every live poll is a separate request. */
  readonly share: boolean
  readonly fetchClient?: typeof fetch
  /** Headers of a shape request, evaluated for every batch. */
  readonly headers: () => Promise<Record<string, string>>
  /** Called when the user has signed out in another tab. */
  readonly onSignedOut: () => void
  /** Called when a response shows that the user's rights have changed. */
  readonly onRightsChanged?: () => void
  /** Replaces the browser's tools for sharing across tabs; null shares within this tab only. */
  readonly tabTools?: TabTools | null
  readonly tabTimes?: Partial<TabTimes>
}

/** A `fetch` for shape streams. */
export interface LiveFetch {
  readonly fetch: typeof fetch
  /** Posts the sign-out to the same user's other tabs. */
  signOut(): void
  /** Returns the state of the shared connections, for the devtools. */
  state(): LiveState
  /** Closes all connections and forgets the principal. The next poll starts over. */
  reset(): void
}

/**
 * Creates the `fetch` for all streams of one page. Live long polls share one connection per browser
 * profile. Everything else is sent directly, and so are live polls where sharing is not possible.
 */
export function createLiveFetch(options: LiveFetchOptions): LiveFetch {
  const pin = createPrincipalPin(options.onRightsChanged)
  const support = createEndpointSupport()
  const tools = (options.tabTools === undefined ? browserTabTools() : options.tabTools) ?? undefined
  let shared: { readonly principal: string | undefined; readonly poller: LivePoller } | undefined
  let signOuts: TabChannel | undefined

  // Looked up per request: a page may replace fetch after this was created, as mocks do.
  const send: typeof fetch = (input, init) => (options.fetchClient ?? fetch)(input, init)

  const base = () => shapesUrl(options.electricUrl)
  const nameOf = (principal: string) => `session-db/1/${base()}/${principal}`

  async function request(
    input: Parameters<typeof fetch>[0],
    init: RequestInit | undefined,
  ): Promise<Response> {
    const poll = options.share ? livePollOf(input, init, base()) : undefined
    if (poll === undefined || !support.isLikely()) return send(input, init)
    const signal = init?.signal ?? new AbortController().signal
    try {
      return toResponse(await pollerFor(pin.current()).poll(poll, signal))
    } catch (error) {
      if (error instanceof LiveSharingUnavailable) return send(input, init)
      throw error
    }
  }

  function pollerFor(principal: string | undefined): LivePoller {
    if (shared === undefined || shared.principal !== principal) {
      shared?.poller.close()
      shared = { principal, poller: createPoller(principal) }
    }
    return shared.poller
  }

  function createPoller(principal: string | undefined): LivePoller {
    const createHub = () =>
      createLiveHub({
        url: `${base()}/${LIVE_BATCH_NAME}`,
        send,
        headers: options.headers,
        support,
      })
    // Responses cross tabs only when the server has named their principal.
    if (principal === undefined || tools === undefined) return createHub()
    const share = createTabShare({
      name: nameOf(principal),
      tools,
      createPoller: createHub,
      isRefusal: (answer) => isRefusal(answer, principal),
      ...(options.tabTimes === undefined ? {} : { times: options.tabTimes }),
    })
    const stopWatching = watchPageSleep(share.sleep, share.wake)
    return {
      poll: share.poll,
      state: share.state,
      close() {
        stopWatching()
        share.close()
      },
    }
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
      const response = pin.check(await request(input, init))
      listenForSignOut()
      return response
    },
    state: () => shared?.poller.state?.() ?? { connections: 0, role: 'idle' },
    signOut: () => signOuts?.postMessage({ type: 'signed-out' }),
    reset() {
      shared?.poller.close()
      shared = undefined
      signOuts?.close()
      signOuts = undefined
      pin.reset()
    },
  }
}

/**
 * Recognises live long polls among a stream's requests. Snapshots, SSE and requests with a body
 * are not shared.
 *
 * @param base absolute URL of the shapes, without a trailing slash
 */
function livePollOf(
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
  base: string,
): LivePoll | undefined {
  const address = typeof input === 'string' || input instanceof URL ? String(input) : undefined
  if (address === undefined || (init?.method ?? 'GET') !== 'GET') return undefined
  if (!address.startsWith(`${base}/`)) return undefined
  const [shape = '', query = ''] = address.slice(base.length + 1).split('?')
  if (!isLongPoll(query) || !/^[A-Za-z0-9][\w-]*$/.test(shape)) return undefined
  return { shape, query }
}

function isRefusal(answer: LiveAnswer, principal: string): boolean {
  return answer.status === 401 || (headerOf(answer, PRINCIPAL_HEADER) ?? principal) !== principal
}

interface EventSource {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}

interface Page {
  readonly document?: EventSource
  readonly addEventListener?: EventSource['addEventListener']
  readonly removeEventListener?: EventSource['removeEventListener']
}

/**
 * Calls `sleep` when the page freezes or goes into the back/forward cache, and `wake` when it is
 * back. Does nothing outside a page.
 *
 * @returns removes the listeners
 */
function watchPageSleep(sleep: () => void, wake: () => void): () => void {
  const page = globalThis as unknown as Page
  const { document } = page
  if (document === undefined || page.addEventListener === undefined) return () => {}
  page.addEventListener('pagehide', sleep)
  page.addEventListener('pageshow', wake)
  document.addEventListener('freeze', sleep)
  document.addEventListener('resume', wake)
  return () => {
    page.removeEventListener?.('pagehide', sleep)
    page.removeEventListener?.('pageshow', wake)
    document.removeEventListener('freeze', sleep)
    document.removeEventListener('resume', wake)
  }
}
