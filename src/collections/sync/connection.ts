import type { LiveState } from '../../live/client/live-answer.ts'
import { createLiveFetch } from '../../live/client/live-fetch.ts'
import type { TabTools } from '../../live/client/tab-messages.ts'
import type { TabTimes } from '../../live/client/tab-share.ts'
import type { WriteAdapter } from '../../writes/adapter.ts'
import { unauthenticated } from '../../writes/errors.ts'
import type { RefreshSignIn } from '../../writes/sign-in.ts'
import { createAuthRefresh } from './auth-refresh.ts'
import { createNetwork, type Network } from './network.ts'
import type { StreamOptions } from './stream-options.ts'

const SIGNED_OUT = 'The user has signed out. Sign in again, then call restart().'

/** How one `createSessionCollections` reaches the server. */
export interface ConnectionOptions extends Pick<StreamOptions, 'electricUrl' | 'headers'> {
  readonly fetchClient?: typeof fetch
  readonly shareLiveConnections?: boolean
  readonly onUnauthenticated?: RefreshSignIn
}

/** The connection to the server shared by all streams, writes and uploads of one user. */
export interface Connection {
  /** Fetches shapes. */
  readonly fetch: typeof fetch
  /** Fetches anything else, with the same headers and handling of 401. */
  readonly request: typeof fetch
  readonly network: Network
  /** Wraps an adapter: a write refused with 401 is repeated after one refresh of the sign-in. */
  writes(adapter: WriteAdapter): WriteAdapter
  /** Returns the state of the shared live connections. */
  live(): LiveState
  /** Refuses every stream from now on, and if asked tells the other tabs. */
  signOut(tellOthers: boolean): void
  /** Lets streams through again. */
  restart(): void
  /** Closes shared connections and forgets which user they belonged to. */
  reset(): void
}

/** Events of a connection. */
export interface ConnectionEvents {
  /** The same user has signed out in another tab. */
  readonly onSignedOut: () => void
  /** Requests get through again. */
  readonly onBack?: () => void
  /** The rights of the user have changed. */
  readonly onRightsChanged?: () => void
}

/**
 * Creates the connection to the server: live polls share requests, and one refresh serves all 401s.
 *
 * @param tabs replaces the browser's means of sharing between tabs, and its times, in tests
 */
export function createConnection(
  options: ConnectionOptions,
  { onSignedOut, onBack, onRightsChanged }: ConnectionEvents,
  tabs: { readonly tools?: TabTools | null; readonly times?: Partial<TabTimes> } = {},
): Connection {
  let isSignedOut = false
  const network = createNetwork(onBack)
  const auth = createAuthRefresh(options)
  const live = createLiveFetch({
    electricUrl: options.electricUrl,
    share: options.shareLiveConnections ?? true,
    headers: auth.headers,
    onSignedOut,
    ...(onRightsChanged && { onRightsChanged }),
    ...(options.fetchClient === undefined ? {} : { fetchClient: options.fetchClient }),
    ...(tabs.tools === undefined ? {} : { tabTools: tabs.tools }),
    ...(tabs.times === undefined ? {} : { tabTimes: tabs.times }),
  })
  const send = auth.fetch(live.fetch)
  return {
    fetch: async (input, init) => (isSignedOut ? unauthenticated(SIGNED_OUT) : send(input, init)),
    // Looks fetch up per request: a page may replace it later, as mocks do.
    request: auth.fetch((input, init) => (options.fetchClient ?? fetch)(input, init)),
    network,
    writes(adapter) {
      const write = auth.writes(adapter)
      const { sendAll } = write
      const noting = async <Answer>(answer: Promise<Answer>) => {
        const outcome = await answer
        network.answered()
        return outcome
      }
      return Object.assign(
        ((batch, more) => noting(write(batch, more))) satisfies WriteAdapter,
        sendAll && {
          sendAll: ((batches, more) => noting(sendAll(batches, more))) satisfies typeof sendAll,
        },
      )
    },
    live: live.state,
    signOut(tellOthers) {
      isSignedOut = true
      if (tellOthers) live.signOut()
    },
    restart() {
      isSignedOut = false
      auth.reset()
    },
    reset: live.reset,
  }
}
