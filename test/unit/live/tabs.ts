import { createLiveFetch, type LiveFetch } from '../../../src/live/client/live-fetch.ts'
import type { TabChannel, TabLocks, TabTools } from '../../../src/live/client/tab-messages.ts'
import { type Follower, follow } from './follow.ts'
import type { LogServer } from './log-server.ts'

/** A tab of one browser profile, over Node's own Web Locks and BroadcastChannel. */
export interface Tab {
  readonly live: LiveFetch
  /** Batches this tab has sent. */
  readonly batches: () => number
  readonly signOuts: () => number
  follow(shape: string): Follower
  /** Stops running until thawed: neither receives nor sends, and releases nothing. */
  freeze(): void
  thaw(): void
  /** Closes the tab as a browser does: without a message, but releasing its locks. */
  close(): void
}

/** Short timeouts for tests. */
const times = { lookMs: 50, askMs: 200, replaceMs: 600, leaveMs: 5_000 }

/** Opens a tab. Its first response is not a live one and names its principal, as on a page. */
export async function openTab(
  server: LogServer,
  authorization: string | (() => string) = 'user1',
): Promise<Tab> {
  const signIn = () => (typeof authorization === 'string' ? authorization : authorization())
  let frozen = false
  let batches = 0
  let signOuts = 0
  let missed: (() => unknown)[] = []
  const followers: Follower[] = []
  const whenAwake = (work: () => unknown) => {
    if (frozen) missed.push(work)
    else work()
  }
  const tools: TabTools = {
    locks: navigator.locks as unknown as TabLocks,
    openChannel(name) {
      const channel = new BroadcastChannel(name)
      let closed = false
      const wrapped: TabChannel = {
        postMessage: (message) => whenAwake(() => closed || channel.postMessage(message)),
        onmessage: null,
        close() {
          closed = true
          channel.close()
        },
      }
      channel.onmessage = (event) =>
        whenAwake(() => wrapped.onmessage?.(event as MessageEvent & { data: never }))
      return wrapped
    },
  }
  const live = createLiveFetch({
    electricUrl: server.shapes,
    share: true,
    headers: async () => ({ authorization: signIn() }),
    onSignedOut: () => {
      signOuts += 1
    },
    tabTools: tools,
    tabTimes: times,
    fetchClient: (input, init) => {
      if (String(input).endsWith('/_live')) batches += 1
      return fetch(input, init)
    },
  })
  const ask = (shape: string, query: string, signal?: AbortSignal) =>
    live.fetch(`${server.shapes}/${shape}?${query}`, {
      headers: { authorization: signIn() },
      ...(signal === undefined ? {} : { signal }),
    })
  server.append('nothing', 'x')
  await (await ask('nothing', 'offset=0_0')).text()
  return {
    live,
    batches: () => batches,
    signOuts: () => signOuts,
    follow(shape) {
      const follower = follow(({ query }, signal) => ask(shape, query, signal), shape)
      followers.push(follower)
      return follower
    },
    freeze() {
      frozen = true
    },
    thaw() {
      frozen = false
      const due = missed
      missed = []
      for (const work of due) work()
    },
    close() {
      for (const { stop } of followers) stop()
      live.reset()
    },
  }
}
