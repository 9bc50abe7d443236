import type { SyncConfig } from '@tanstack/db'
import { threadPath } from '../../chat/thread-path.ts'
import { SessionDbError } from '../../errors.ts'
import type { ChatMessage } from '../../schema/chat-message.ts'
import type { ChatThread } from '../../schema/chat-thread.ts'
import { joinStatuses, untilReady } from '../sync/joint-status.ts'
import type { SyncParams } from '../sync/streamed-messages.ts'
import { combinedShown } from '../sync/sync-evidence.ts'
import { createSyncStatus } from '../sync/sync-status.ts'
import type { SyncStream, TableRef } from '../sync/sync-stream.ts'
import {
  assembleCollection,
  type MutableOptions,
  type SyncedCollection,
} from '../sync/synced-collection.ts'
import { showWhilePending } from '../sync/tanstack-versions.ts'
import { trackTails } from '../sync/thread-tails.ts'

/** Options of a thread that is opened with its last messages only. */
export interface ThreadWindowOptions {
  /** The number of messages to load first, at least. Up to 49 more are loaded, so that readers share streams. */
  readonly last: number
}

/** The counts of a window: messages loaded, and messages of the thread. */
export interface ThreadWindowState {
  /** Messages of the thread, on all branches; undefined until the thread is loaded. */
  readonly total: number | undefined
  /** Messages that are loaded. */
  readonly loaded: number
  /** True while `loadOlder` may find more. */
  readonly hasOlder: boolean
}

/** The loading of a thread's messages; its collection of messages is writable like that of a whole thread. */
export interface ThreadWindow {
  /** Changes when messages are loaded or counted; fits React's `useSyncExternalStore`. */
  readonly state: {
    readonly get: () => ThreadWindowState
    readonly subscribe: (listener: () => void) => () => void
  }
  /**
   * Loads the messages before the oldest one of the branch that shows.
   *
   * @returns the number of messages loaded; 0 when there are none before
   * @throws SessionDbError the reason why a stream stopped
   */
  loadOlder(): Promise<number>
  /**
   * Loads a message, for a link or a search hit, and the messages around it.
   *
   * @returns the message; undefined if the thread has none with this id
   * @throws SessionDbError the reason why a stream stopped
   */
  loadMessage(id: string): Promise<ChatMessage | undefined>
  /**
   * Loads the first message since a point in time, and the messages around it. Finding it takes a few small requests,
   * also in a thread of 100,000 messages.
   *
   * @returns the message, on any branch; undefined if the thread has none since then
   * @throws SessionDbError the reason why a stream stopped
   */
  loadMessageAt(date: Date): Promise<ChatMessage | undefined>
}

/** The means of a window. Collections that it opens are cleaned up by it. */
export interface ThreadWindowContext {
  readonly collectionId: string
  readonly threadId: string
  readonly table: TableRef
  readonly mutable: MutableOptions
  readonly gcTime?: number
  /** The threads of the session. */
  readonly threads: SyncedCollection<ChatThread>
  /** Opens the messages from one position up to, but not including, another, or all from the first on. */
  readonly openRange: (from: number, to?: number) => SyncedCollection<ChatMessage>
  /** Opens a collection of one message. */
  readonly openMessage: (id: string) => SyncedCollection<ChatMessage>
  readonly onLiveChange: (live: boolean) => void
}

/** The newest messages start at a multiple of this, so that readers request the same shapes. */
const TAIL_STEP = 50
/** The number of older messages that are loaded together. */
const BLOCK = 200
/** The number of messages that are read to find the time of a block. */
const PROBE = 5

/** Time for a new message to arrive after its thread, in ms. */
const HEAD_DELAY_MS = 500

interface Range {
  readonly from: number
  /** Infinity for the newest messages. */
  readonly to: number
  readonly source: SyncedCollection<ChatMessage>
  close(): void
}

type MessageSync = Parameters<SyncConfig<ChatMessage, string>['sync']>[0]

/**
 * Creates the window of a thread. Its messages come from one shape per range of positions; only loaded ranges
 * are followed. Loading starts with the first subscriber.
 */
export function createThreadWindow(
  context: ThreadWindowContext,
  { last }: ThreadWindowOptions,
): { readonly window: ThreadWindow; readonly messages: SyncedCollection<ChatMessage> } {
  if (!Number.isInteger(last) || last < 1) {
    throw new SessionDbError('invalid', 'last must be a whole number of 1 or more.')
  }
  const { collectionId, table, threads, mutable } = context
  const status = createSyncStatus()
  const joint = joinStatuses(status)
  const listeners = new Set<() => void>()
  const ranges = new Set<Range>()
  let sync: MessageSync | undefined
  let opening: Promise<void> = Promise.resolve()
  let headTimer: ReturnType<typeof setTimeout> | undefined
  let state: ThreadWindowState = { total: undefined, loaded: 0, hasOlder: false }

  const threadRow = () => threads.collection.get(context.threadId)

  function refresh(): void {
    const thread = threadRow()
    const start = Math.min(Number.POSITIVE_INFINITY, ...[...ranges].map(({ from }) => from))
    const next = {
      total: thread?.messageCount,
      loaded: collection.size,
      hasOlder: ranges.size > 0 && start > 1 && (thread?.messageCount ?? 0) > collection.size,
    }
    if (JSON.stringify(next) === JSON.stringify(state)) return
    state = next
    for (const listener of listeners) queueMicrotask(() => listeners.has(listener) && listener())
  }

  function openRange(from: number, to = Number.POSITIVE_INFINITY): Range {
    const source = context.openRange(from, Number.isFinite(to) ? to : undefined)
    const held = new Set<string>()
    const subscription = source.collection.subscribeChanges(
      (changes) => {
        if (changes.length === 0) return
        sync?.begin()
        for (const { type, value } of changes) {
          if (type === 'delete') {
            if (held.delete(value.id)) sync?.write({ type, key: value.id })
          } else {
            sync?.write({ type: held.has(value.id) ? 'update' : 'insert', value })
            held.add(value.id)
          }
        }
        sync?.commit()
        refresh()
      },
      { includeInitialState: true },
    )
    const leaveStatus = joint.add(source.status)
    const range: Range = {
      from,
      to,
      source,
      close() {
        subscription.unsubscribe()
        leaveStatus()
        ranges.delete(range)
        void source.collection.cleanup()
      },
    }
    ranges.add(range)
    return range
  }

  /** Opens the part of a block that no range covers, and resolves when its messages are loaded. */
  async function openAround(position: number): Promise<void> {
    const all = [...ranges]
    if (all.some(({ from, to }) => from <= position && position < to)) return
    const start = Math.floor(position / BLOCK) * BLOCK
    const before = all.filter(({ to }) => to <= position).map(({ to }) => to)
    const after = all.filter(({ from }) => from > position).map(({ from }) => from)
    const range = openRange(Math.max(start, ...before), Math.min(start + BLOCK, ...after))
    await untilReady(range.source)
    refresh()
  }

  /** Reads the first message of a collection, and closes it. */
  async function peek(source: SyncedCollection<ChatMessage>): Promise<ChatMessage | undefined> {
    const subscription = source.collection.subscribeChanges(() => {})
    try {
      await untilReady(source)
      return firstOf(source.collection.values())
    } finally {
      subscription.unsubscribe()
      void source.collection.cleanup()
    }
  }

  /** Reads the first message of a block; undefined if all of its messages are deleted. */
  async function firstInBlock(block: number): Promise<ChatMessage | undefined> {
    const [start, end] = [block * BLOCK, (block + 1) * BLOCK]
    if ([...ranges].some(({ from, to }) => from <= start && end <= to)) {
      return firstOf(collection.values(), ({ position }) => start <= position && position < end)
    }
    const first = await peek(context.openRange(start, start + PROBE))
    return first ?? (await peek(context.openRange(start + PROBE, end)))
  }

  /** Returns the block in which the messages since a point in time begin, or the one before it. */
  async function blockAt(date: Date, newest: number): Promise<number> {
    let [low, high] = [0, newest + 1]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      let block = middle
      let first = await firstInBlock(block)
      while (first === undefined && block + 1 < high) first = await firstInBlock(++block)
      if (first !== undefined && first.createdAt < date) low = block
      else high = middle
    }
    return low
  }

  async function openTail(isOver: () => boolean, markReady: () => void): Promise<void> {
    await untilReady(threads)
    if (isOver()) return
    const newest = threadRow()?.lastPosition ?? 0
    const tail = openRange(Math.floor(Math.max(0, newest - last) / TAIL_STEP) * TAIL_STEP)
    await untilReady(tail.source)
    await showHead()
    if (!isOver()) markReady()
    refresh()
  }

  /** Loads the head of a thread that shows an older branch. */
  async function showHead(): Promise<void> {
    const headId = threadRow()?.headId
    if (headId != null && !collection.has(headId)) await loadAround(headId)
  }

  async function loadAround(id: string): Promise<void> {
    const position = collection.get(id)?.position ?? (await peek(context.openMessage(id)))?.position
    if (position !== undefined && ranges.size > 0) await openAround(position)
  }

  /** Loads the head that another branch brings, unless it is a message that is just arriving. */
  function followHead(): void {
    refresh()
    clearTimeout(headTimer)
    const headId = threadRow()?.headId
    if (collection.status !== 'ready' || headId == null || collection.has(headId)) return
    headTimer = setTimeout(() => void showHead().catch(() => undefined), HEAD_DELAY_MS)
  }

  /** The oldest message of the branch that shows. */
  const top = () => threadPath([...collection.values()], threadRow()?.headId)[0]

  async function started(): Promise<void> {
    await collection.preload()
    await opening
  }

  const messages = assembleCollection<ChatMessage>(
    {
      id: collectionId,
      getKey: (message: ChatMessage) => message.id,
      sync: {
        sync(params: MessageSync) {
          let isOver = false
          sync = trackTails(
            showWhilePending(params) as unknown as SyncParams,
          ) as unknown as MessageSync
          status.update({ status: 'loading' })
          const watch = threads.collection.subscribeChanges(followHead, {
            includeInitialState: true,
          })
          context.onLiveChange(true)
          opening = openTail(
            () => isOver,
            () => {
              params.markReady()
              status.update({ status: 'ready' })
            },
          )
          // The status shows why a stream stopped.
          opening.catch(() => undefined)
          return () => {
            isOver = true
            clearTimeout(headTimer)
            watch.unsubscribe()
            for (const range of ranges) range.close()
            sync = undefined
            status.update({ status: 'cleaned-up' })
            context.onLiveChange(false)
          }
        },
      },
    },
    context.gcTime,
    { ...mutable, table },
    {
      collectionId,
      shape: `thread-messages-window?threadId=${context.threadId}`,
      shapeName: 'thread-messages-window',
      evidence: jointEvidence(ranges),
      status,
      restart() {
        for (const { source } of ranges) source.restart()
      },
      async empty() {
        await Promise.all([...ranges].map(({ source }) => source.empty()))
      },
    },
  )
  const { collection } = messages

  return {
    messages,
    window: {
      state: {
        get: () => state,
        subscribe(listener) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
      },
      async loadOlder() {
        await started()
        const loaded = collection.size
        const oldest = top()
        if (oldest === undefined || oldest.parentId === null) return 0
        const range = [...ranges].find(
          ({ from, to }) => from <= oldest.position && oldest.position < to,
        )
        // The message before is mostly just outside the range.
        if (range !== undefined && range.from > 1) await openAround(range.from - 1)
        if (!collection.has(oldest.parentId)) await loadAround(oldest.parentId)
        return collection.size - loaded
      },
      async loadMessage(id) {
        await started()
        if (!collection.has(id)) await loadAround(id)
        return collection.get(id)
      },
      async loadMessageAt(date) {
        await started()
        const newest = Math.floor((threadRow()?.lastPosition ?? 0) / BLOCK)
        for (let block = await blockAt(date, newest); block <= newest; block += 1) {
          await openAround(block * BLOCK)
          const isSince = ({ position, createdAt }: ChatMessage) =>
            position >= block * BLOCK && createdAt >= date
          const found = firstOf(collection.values(), isSince)
          if (found !== undefined && found.position < (block + 1) * BLOCK) return found
        }
        return undefined
      },
    },
  }
}

/** Returns the message with the lowest position. */
function firstOf(
  messages: Iterable<ChatMessage>,
  isMeant: (message: ChatMessage) => boolean = () => true,
): ChatMessage | undefined {
  let first: ChatMessage | undefined
  for (const message of messages) {
    if (isMeant(message) && message.position < (first?.position ?? Infinity)) first = message
  }
  return first
}

/** The evidence of all ranges: a write is confirmed by the one that shows it. */
function jointEvidence(ranges: ReadonlySet<Range>): SyncStream['evidence'] {
  const open = () => [...ranges].map(({ source }) => source.evidence)
  return {
    get shown() {
      return { ...combinedShown(open().map(({ shown }) => shown)), snapshot: undefined }
    },
    async wait(isDue, signal) {
      const end = new AbortController()
      const onAbort = () => end.abort()
      signal?.addEventListener('abort', onAbort)
      await Promise.race(open().map((evidence) => evidence.wait(isDue, end.signal)))
      signal?.removeEventListener('abort', onAbort)
      // Ends the waits in the other ranges, which may never show it.
      end.abort()
    },
  }
}
