import { createLiveFetch } from '../../live/client/live-fetch.ts'
import type { TabTools } from '../../live/client/tab-messages.ts'
import type { TabTimes } from '../../live/client/tab-share.ts'
import type { WriteAdapter } from '../../writes/adapter.ts'
import { unauthenticated } from '../../writes/errors.ts'
import type { RefreshSignIn } from '../../writes/refresh-sign-in.ts'
import { createAuthRefresh, type KeepSignedIn } from './auth-refresh.ts'
import { createNetwork, type Network } from './network.ts'
import type { StreamOptions } from './synced-collection.ts'

const SIGNED_OUT = 'The user has signed out. Sign in again, then call restart().'

/** How one `createSessionCollections` reaches the server. */
export interface ConnectionOptions extends Pick<StreamOptions, 'electricUrl' | 'headers'> {
  readonly fetchClient?: typeof fetch
  readonly shareLiveConnections?: boolean
  readonly onUnauthenticated?: RefreshSignIn
}

/** The way to the server that all streams and writes of one user have in common. */
export interface Connection {
  /** For shape streams. */
  readonly fetch: typeof fetch
  /** Whether requests get through. */
  readonly network: Network
  /** Sends what was refused for an old sign-in once more after a new one. */
  writes(adapter: WriteAdapter): WriteAdapter
  /** The same for uploads. */
  readonly keep: KeepSignedIn
  /** Refuses every stream from now on; tells the other tabs, too, when asked. */
  signOut(tellOthers: boolean): void
  /** Lets streams through again. */
  restart(): void
  /** Gives up shared connections and forgets whose they were. */
  reset(): void
}

/** What the way to the server tells of itself. */
export interface ConnectionEvents {
  /** Another tab of the same user has signed out. */
  readonly onSignedOut: () => void
  /** Requests get through that did not before. */
  readonly onBack?: () => void
}

/**
 * Creates the way to the server: live polls share connections, and one refresh answers all 401s.
 *
 * @param tabs replaces what tabs share by, and its times, in tests
 */
export function createConnection(
  options: ConnectionOptions,
  { onSignedOut, onBack }: ConnectionEvents,
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
    ...(options.fetchClient === undefined ? {} : { fetchClient: options.fetchClient }),
    ...(tabs.tools === undefined ? {} : { tabTools: tabs.tools }),
    ...(tabs.times === undefined ? {} : { tabTimes: tabs.times }),
  })
  const send = auth.fetch(live.fetch)
  return {
    fetch: async (input, init) => (isSignedOut ? unauthenticated(SIGNED_OUT) : send(input, init)),
    network,
    writes(adapter) {
      const write = auth.writes(adapter)
      return async (batch, adapterOptions) => {
        const outcome = await write(batch, adapterOptions)
        network.answered()
        return outcome
      }
    },
    keep: auth.keep,
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
