import type { LivePoll } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'

/** What tabs of one principal tell each other. No message holds credentials. */
export type TabMessage =
  /** To all: this tab polls from now on. */
  | { readonly type: 'leader'; readonly from: string }
  /** To the leader: poll this for me; again after each new leader. */
  | { readonly type: 'poll'; readonly from: string; readonly id: number; readonly poll: LivePoll }
  /** To the leader: not that one any more. */
  | { readonly type: 'cancel'; readonly from: string; readonly id: number }
  /** To the leader: are you there? */
  | { readonly type: 'ping'; readonly from: string }
  /** To the leader: this tab has gone. */
  | { readonly type: 'bye'; readonly from: string }
  /** To all: the user has signed out. */
  | { readonly type: 'signed-out' }
  /** To one tab: yes, I am. */
  | { readonly type: 'pong' }
  /** To one tab: the answer to its poll. */
  | { readonly type: 'answer'; readonly id: number; readonly answer: LiveAnswer }
  /** To one tab: there is no answer; `plain` when it should ask by itself. */
  | { readonly type: 'failed'; readonly id: number; readonly plain: boolean }

/** The part of a `BroadcastChannel` that is needed here. */
export interface TabChannel {
  postMessage(message: TabMessage): void
  onmessage: ((event: { readonly data: TabMessage }) => void) | null
  close(): void
}

/** The part of the Web Locks API that is needed here. */
export interface TabLocks {
  request(
    name: string,
    options: { readonly signal?: AbortSignal; readonly steal?: boolean },
    held: () => Promise<void>,
  ): Promise<unknown>
}

/** What tabs share connections by. */
export interface TabTools {
  readonly locks: TabLocks
  openChannel(name: string): TabChannel
}

interface PageWithTools {
  readonly document?: unknown
  readonly navigator?: { readonly locks?: TabLocks }
  readonly BroadcastChannel?: new (name: string) => TabChannel
}

/** The browser's own tools; none outside a page, or where Web Locks (secure pages only) are missing. */
export function browserTabTools(): TabTools | undefined {
  const page = globalThis as unknown as PageWithTools
  const { document, navigator, BroadcastChannel: Channel } = page
  const locks = navigator?.locks
  if (document === undefined || locks === undefined || Channel === undefined) return undefined
  return { locks, openChannel: (name) => new Channel(name) }
}
