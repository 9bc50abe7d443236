import type { LivePoll } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'

/** Messages between tabs of one principal. They never contain credentials. */
export type TabMessage =
  /** To all: this tab is the leader now. */
  | { readonly type: 'leader'; readonly from: string }
  /** To the leader: send this poll; repeated after each change of leader. */
  | { readonly type: 'poll'; readonly from: string; readonly id: number; readonly poll: LivePoll }
  /** To the leader: abort that poll. */
  | { readonly type: 'cancel'; readonly from: string; readonly id: number }
  /** To the leader: are you alive? */
  | { readonly type: 'ping'; readonly from: string }
  /** To the leader: this tab has left. */
  | { readonly type: 'bye'; readonly from: string }
  /** To all: the user has signed out. */
  | { readonly type: 'signed-out' }
  /** To one tab: reply to `ping`. */
  | { readonly type: 'pong' }
  /** To one tab: the response to its poll. */
  | { readonly type: 'answer'; readonly id: number; readonly answer: LiveAnswer }
  /** To one tab: the poll failed; `plain` when the tab should send it as a separate request. */
  | { readonly type: 'failed'; readonly id: number; readonly plain: boolean }

/** The subset of `BroadcastChannel` used here. */
export interface TabChannel {
  postMessage(message: TabMessage): void
  onmessage: ((event: { readonly data: TabMessage }) => void) | null
  close(): void
}

/** The subset of the Web Locks API used here. */
export interface TabLocks {
  request(
    name: string,
    options: { readonly signal?: AbortSignal; readonly steal?: boolean },
    held: () => Promise<void>,
  ): Promise<unknown>
}

/** The browser features that sharing across tabs needs. */
export interface TabTools {
  readonly locks: TabLocks
  openChannel(name: string): TabChannel
}

interface PageWithTools {
  readonly document?: unknown
  readonly navigator?: { readonly locks?: TabLocks | null }
  readonly BroadcastChannel?: new (name: string) => TabChannel
}

/** Returns the browser's tools; undefined outside a page, or without Web Locks (insecure pages). */
export function browserTabTools(): TabTools | undefined {
  const page = globalThis as unknown as PageWithTools
  const { document, navigator, BroadcastChannel: Channel } = page
  const locks = navigator?.locks ?? undefined
  if (document === undefined || locks === undefined || Channel === undefined) return undefined
  return { locks, openChannel: (name) => new Channel(name) }
}
