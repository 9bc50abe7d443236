import type { LivePoll } from '../protocol.ts'
import { PRINCIPAL_HEADER } from '../protocol.ts'
import {
  batchUrl,
  headerOf,
  type LiveAnswer,
  type LivePoller,
  LiveSharingUnavailable,
  toResponse,
} from './live-answer.ts'
import { createLiveHub } from './live-hub.ts'
import { watchPageSleep } from './page-sleep.ts'
import { createSupport } from './support.ts'
import type { TabTools } from './tab-messages.ts'
import { createTabShare, type TabTimes } from './tab-share.ts'

/** Whose connections are shared, and how requests go. */
export interface SharingOptions {
  /** The absolute URL that the shapes have in common. */
  readonly base: string
  readonly send: typeof fetch
  /** Headers of a shape request, asked anew for every batch. */
  readonly headers: () => Promise<Record<string, string>>
  /** What the tabs of a principal know each other by. */
  readonly nameOf: (principal: string) => string
  /** What to share across tabs by; nothing for no other tabs. */
  readonly tools: TabTools | undefined
  readonly tabTimes?: Partial<TabTimes>
}

/** Answers live polls over connections that they share. */
export interface Sharing {
  /** @returns nothing where sharing is not to be had: the poll goes by itself then */
  poll(
    poll: LivePoll,
    principal: string | undefined,
    signal: AbortSignal,
  ): Promise<Response | undefined>
  /** Gives up all connections. The next poll starts afresh. */
  close(): void
}

/** Creates the sharing of one page. */
export function createSharing(options: SharingOptions): Sharing {
  const { tools } = options
  const support = createSupport()
  let shared: { readonly principal: string | undefined; readonly poller: LivePoller } | undefined

  const createPoller = () =>
    createLiveHub({
      url: batchUrl(options.base),
      send: options.send,
      headers: options.headers,
      support,
    })

  function createShare(principal: string | undefined): LivePoller {
    // Without the server's word on whose answers they are, they stay in this tab.
    if (principal === undefined || tools === undefined) return createPoller()
    const share = createTabShare({
      name: options.nameOf(principal),
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

  function pollerOf(principal: string | undefined): LivePoller {
    if (shared === undefined || shared.principal !== principal) {
      shared?.poller.close()
      shared = { principal, poller: createShare(principal) }
    }
    return shared.poller
  }

  return {
    async poll(poll, principal, signal) {
      if (!support.isLikely()) return undefined
      try {
        return toResponse(await pollerOf(principal).poll(poll, signal))
      } catch (error) {
        if (error instanceof LiveSharingUnavailable) return undefined
        throw error
      }
    },
    close() {
      shared?.poller.close()
      shared = undefined
    },
  }
}

function isRefusal(answer: LiveAnswer, principal: string): boolean {
  return answer.status === 401 || (headerOf(answer, PRINCIPAL_HEADER) ?? principal) !== principal
}
