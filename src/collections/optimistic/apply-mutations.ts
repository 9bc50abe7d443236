import type { ChatMessage } from '../../schema/chat-message.ts'
import { type ChatThread, previewOf } from '../../schema/chat-thread.ts'
import type { MutationInput } from '../../writes/batch.ts'
import type { LiveSources } from '../sources.ts'
import type { SyncStream } from '../sync/sync-stream.ts'
import type { SyncedCollection, SyncedRow } from '../sync/synced-collection.ts'
import { tailOf } from '../sync/thread-tails.ts'
import {
  given,
  newGrant,
  newMessage,
  newSession,
  newThread,
  newTimelineEvent,
  type WriterIdentity,
} from './optimistic-rows.ts'

/** A collection that shows a mutation. */
export interface Touch {
  readonly source: SyncStream
  /** Index of the mutation in its batch. */
  readonly index: number
  /** True if the collection holds the mutation's row; false if only a row that changes along with it. */
  readonly holdsRow: boolean
}

/** The dependencies of applying mutations. */
export interface ApplyContext {
  readonly live: LiveSources
  readonly identity: WriterIdentity
  readonly now: Date
  /** The session of a thread, where the caller passed it. */
  readonly sessionOfThread: ReadonlyMap<string, string>
}

/** The row of a TanStack DB mutation, which its own collection already shows or is about to show. */
export interface Origin {
  readonly stream: SyncStream
  /** The row after an insert or update, or before a delete. */
  readonly row: Readonly<Record<string, unknown>>
  /** False if the caller wants the change to show only when it is synced. */
  readonly optimistic: boolean
  /** Makes the change again after TanStack DB has rolled it back. Must run inside `showOptimistic`. */
  repeat(): void
}

type Of<Name extends MutationInput['collection']> = Extract<MutationInput, { collection: Name }>
type Touched = readonly SyncStream[]

/**
 * Changes the live collections as the server is expected to, and returns the changed ones.
 * Must run inside `showOptimistic`.
 */
export function applyMutations(
  mutations: readonly MutationInput[],
  context: ApplyContext,
  origins: readonly Origin[] = [],
): Touch[] {
  return mutations.flatMap((mutation, index) => {
    const origin = origins[index]
    const isShown = origin?.optimistic !== false
    const { own, along = [] } = isShown ? apply(mutation, context, origin) : { own: [] }
    const holders = new Set(own)
    if (origin?.stream.isLive()) holders.add(origin.stream)
    return [
      ...[...holders].map((source) => ({ source, index, holdsRow: true })),
      ...along.map((source) => ({ source, index, holdsRow: false })),
    ]
  })
}

interface Applied {
  readonly own: Touched
  readonly along?: Touched
}

function apply(
  mutation: MutationInput,
  context: ApplyContext,
  origin: Origin | undefined,
): Applied {
  switch (mutation.collection) {
    case 'sessions':
      return { own: applySession(mutation, context) }
    case 'sessionGrants':
      return { own: applyGrant(mutation, context) }
    case 'timelineEvents':
      return { own: applyTimelineEvent(mutation, context) }
    case 'chatThreads':
      return { own: applyThread(mutation, context) }
    case 'chatMessages':
      return applyMessage(mutation, context, origin?.row as ChatMessage | undefined)
    default:
      return { own: context.live.ownRows().flatMap((rows) => rows.show(mutation, context.now)) }
  }
}

/** Returns the row that the database will make of an insert. */
export function newRow(mutation: MutationInput, context: ApplyContext): Record<string, unknown> {
  const { identity, now } = context
  if (mutation.type !== 'insert') throw new TypeError(`Not an insert: ${mutation.type}`)
  switch (mutation.collection) {
    case 'sessions':
      return { ...newSession(mutation.value, identity, now) }
    case 'sessionGrants':
      return { ...newGrant(mutation.value, identity, now) }
    case 'timelineEvents':
      return { ...newTimelineEvent(mutation.value, identity, now) }
    case 'chatThreads':
      return { ...newThread(mutation.value, identity, now) }
    case 'chatMessages':
      return { ...newMessageRow(mutation.value, context) }
  }
}

function applySession(mutation: Of<'sessions'>, { live, identity, now }: ApplyContext): Touched {
  const sources = live.sessions()
  if (mutation.type !== 'insert') return changeRow(sources, mutation, now)
  return insertRow(sources, newSession(mutation.value, identity, now))
}

function applyGrant(mutation: Of<'sessionGrants'>, { live, identity, now }: ApplyContext): Touched {
  if (mutation.type !== 'insert') return changeRow(live.grants(), mutation, now)
  const row = newGrant(mutation.value, identity, now)
  return insertRow(live.grants(row.sessionId), row)
}

function applyTimelineEvent(
  mutation: Of<'timelineEvents'>,
  { live, identity, now }: ApplyContext,
): Touched {
  if (mutation.type !== 'insert') return changeRow(live.timelines(), mutation, now)
  const row = newTimelineEvent(mutation.value, identity, now)
  return insertRow(live.timelines(row.sessionId), row)
}

function applyThread(mutation: Of<'chatThreads'>, { live, identity, now }: ApplyContext): Touched {
  if (mutation.type === 'insert') {
    const row = newThread(mutation.value, identity, now)
    const sources = live.threads(row.sessionId)
    if (row.status === 'active') archiveOthers(sources, row, now)
    return insertRow(sources, row)
  }
  const sources = live.threads()
  if (mutation.type === 'update' && mutation.changes.status === 'active') {
    for (const { collection } of sources) {
      const thread = collection.get(mutation.id)
      if (thread !== undefined) archiveOthers(live.threads(thread.sessionId), thread, now)
    }
  }
  return changeRow(sources, mutation, now)
}

/** The database keeps one active thread per session and mode: the one activated last. */
function archiveOthers(
  sources: readonly SyncedCollection<ChatThread>[],
  { id, sessionId, mode }: ChatThread,
  now: Date,
): void {
  for (const source of sources) {
    for (const other of source.collection.values()) {
      const replaced = other.sessionId === sessionId && other.mode === mode
      if (!replaced || other.status !== 'active' || other.id === id) continue
      updateRow(source, other.id, { status: 'archived' }, now)
    }
  }
}

type MessageValue = Extract<Of<'chatMessages'>, { type: 'insert' }>['value']

function newMessageRow(value: MessageValue, context: ApplyContext): ChatMessage {
  const sessionId = sessionOf(value.threadId, context)
  const sources = context.live.messagesOf(value.threadId, sessionId)
  const tails = sources.flatMap(({ collection }) => tailOf(collection, value.threadId) ?? [])
  const last = tails.sort((one, other) => other.position - one.position)[0]
  const thread = find(context.live.threads(), value.threadId)
  const position = Math.max(last?.position ?? 0, thread?.lastPosition ?? 0) + 1
  const parentId = (thread === undefined ? last?.id : thread.headId) ?? null
  return newMessage(value, { sessionId, position, parentId }, context.identity, context.now)
}

function applyMessage(
  mutation: Of<'chatMessages'>,
  context: ApplyContext,
  original: ChatMessage | undefined,
): Applied {
  const { live, now } = context
  if (mutation.type === 'insert') {
    const { id, threadId, content, role } = mutation.value
    const sources = live.messagesOf(threadId, sessionOf(threadId, context))
    // A collection that shows the row already has guessed its position.
    const row = find(sources, id) ?? newMessageRow(mutation.value, context)
    const along = changeThread(threadId, context, (thread) => ({
      messageCount: thread.messageCount + 1,
      lastPosition: Math.max(thread.lastPosition, row.position),
      headId: id,
      ...(role !== 'tool' && { lastMessageAt: now, lastMessagePreview: previewOf(content) }),
    }))
    return { own: insertRow(sources, row), along }
  }
  // Appended text shows when the stream brings it, a moment later, so no collection has to confirm it.
  if (mutation.type === 'append') return { own: [] }
  const sources = live.messages()
  if (mutation.type === 'update') return { own: changeRow(sources, mutation, now) }
  const known = find(sources, mutation.id) ?? original
  const own = changeRow(sources, mutation, now)
  if (known === undefined) return { own }
  // The messages that followed it are left to the stream: an optimistic update of one would bring it
  // back when it is deleted too, and that write is confirmed first.
  const along = changeThread(known.threadId, context, ({ messageCount, headId }) => ({
    messageCount: Math.max(0, messageCount - 1),
    headId: headId === known.id ? known.parentId : headId,
  }))
  return { own, along }
}

function changeThread(
  threadId: string,
  { live, now }: ApplyContext,
  changes: (thread: ChatThread) => Partial<ChatThread>,
): Touched {
  return live.threads().filter((source) => {
    const thread = source.collection.get(threadId)
    if (thread === undefined) return false
    updateRow(source, threadId, changes(thread), now)
    return true
  })
}

function sessionOf(threadId: string, { live, sessionOfThread }: ApplyContext): string | undefined {
  const thread = find(live.threads(), threadId)
  if (thread !== undefined) return thread.sessionId
  const given = sessionOfThread.get(threadId)
  if (given !== undefined) return given
  for (const { collection } of live.messages()) {
    const tail = tailOf(collection, threadId)
    if (tail !== undefined) return tail.sessionId
  }
  return undefined
}

/** Returns the row of this id from the first collection that has it. */
export function find<Row extends SyncedRow>(
  sources: readonly SyncedCollection<Row>[],
  id: string,
): Row | undefined {
  for (const { collection } of sources) {
    const row = collection.get(id)
    if (row !== undefined) return row
  }
  return undefined
}

/** Inserts a row into every collection that lacks it; returns those that will hold it. */
function insertRow<Row extends SyncedRow>(
  sources: readonly SyncedCollection<Row>[],
  row: Row,
): Touched {
  for (const { collection } of sources) {
    // The server decides whether a taken id may be inserted again.
    if (!collection.has(row.id)) collection.insert(row)
  }
  return sources
}

/** Changes or deletes a row where it is; returns the collections that had it. */
function changeRow<Row extends SyncedRow>(
  sources: readonly SyncedCollection<Row>[],
  mutation: Extract<MutationInput, { type: 'update' | 'delete' }>,
  now: Date,
): Touched {
  const holders = sources.filter(({ collection }) => collection.has(mutation.id))
  for (const source of holders) {
    if (mutation.type === 'delete') source.collection.delete(mutation.id)
    else updateRow(source, mutation.id, mutation.changes, now)
  }
  return holders
}

/** Updates a row, its version and time included, as the database does; timeline events have neither. */
function updateRow<Row extends SyncedRow>(
  { collection }: SyncedCollection<Row>,
  id: string,
  changes: object,
  now: Date,
): void {
  collection.update(id, (row: object) => {
    Object.assign(row, given(changes))
    if ('version' in row) Object.assign(row, { version: Number(row.version) + 1, updatedAt: now })
  })
}
