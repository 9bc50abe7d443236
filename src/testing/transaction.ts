import { previewOf } from '../schema/chat-thread.ts'
import {
  type ChatMessageDeltaRow,
  type ChatThreadRow,
  type CollectionName,
  closedCalls,
  foldDeltas,
  streamStateOf,
} from '../schema/index.ts'
import { searchWords } from '../timeline/search-words.ts'
import type { AppRow } from './app-tables.ts'
import { derivedAccess } from './session-access.ts'
import {
  childrenOf,
  deltaKeyOf,
  deltasOf,
  keyOf,
  messagesOf,
  type OwnRow,
  ownKeyOf,
  type Rows,
  type TableRows,
  type Tables,
} from './tables.ts'

/** A change of one row. */
export type RowChange = {
  readonly [Name in keyof TableRows]: {
    readonly collection: Name
    readonly old: TableRows[Name] | undefined
    readonly row: TableRows[Name] | undefined
  }
}[keyof TableRows]

/** A change of one row in an app's own table. */
export interface AppRowChange {
  readonly appTable: string
  readonly old: AppRow | undefined
  readonly row: AppRow | undefined
}

/** INSERT, UPDATE and DELETE with the database's constraints and triggers. */
export interface Transaction {
  /** The transaction's `now()`. */
  readonly now: Date
  readonly tables: Tables
  readonly changes: readonly (RowChange | AppRowChange)[]
  insert<Name extends CollectionName>(collection: Name, row: Rows[Name]): Rows[Name]
  update<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name],
    changes: Partial<Rows[Name]>,
  ): Rows[Name]
  delete<Name extends CollectionName>(collection: Name, row: Rows[Name]): void
  /** Inserts a delta of a streamed message. */
  addDelta(row: ChatMessageDeltaRow): void
  /** Inserts or replaces a user's own row. */
  setOwn(collection: 'threadStates' | 'messageFeedback', row: OwnRow): void
  /** Stores a row without triggers. */
  load<Name extends CollectionName>(collection: Name, row: Rows[Name]): void
  /** Records a change of an app's own table, which has no constraints or triggers here. */
  noteAppChange(change: AppRowChange): void
}

/** Begins a transaction that changes `tables` in place. */
export function beginTransaction(tables: Tables, now: Date): Transaction {
  const changes: (RowChange | AppRowChange)[] = []
  const counters = createMessageCounters(tables, (thread, counted) =>
    update('chatThreads', thread, counted),
  )

  function record<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name] | undefined,
    row: Rows[Name] | undefined,
  ): void {
    if (row) (tables[collection] as Map<string, Rows[Name]>).set(keyOf(row), row)
    else if (old) tables[collection].delete(keyOf(old))
    changes.push({ collection, old, row } as RowChange)
  }

  function addDelta(row: ChatMessageDeltaRow): void {
    tables.chatMessageDeltas.set(deltaKeyOf(row), row)
    changes.push({ collection: 'chatMessageDeltas', old: undefined, row })
  }

  function removeDeltas(message: Rows['chatMessages']): void {
    for (const delta of deltasOf(tables, message)) {
      tables.chatMessageDeltas.delete(deltaKeyOf(delta))
      changes.push({ collection: 'chatMessageDeltas', old: delta, row: undefined })
    }
  }

  function setOwn(
    collection: 'threadStates' | 'messageFeedback',
    row: OwnRow,
    isRemoved = false,
  ): void {
    const rows: Map<string, OwnRow> = tables[collection]
    const key = ownKeyOf(row)
    const old = rows.get(key)
    if (isRemoved) rows.delete(key)
    else rows.set(key, row)
    changes.push({ collection, old, row: isRemoved ? undefined : row } as RowChange)
  }

  /** Removes the users' own rows about threads or messages that are deleted. */
  function removeOwn({ tenantId, id }: { readonly tenantId: string; readonly id: string }): void {
    for (const row of tables.threadStates.values()) {
      if (row.tenantId === tenantId && row.threadId === id) setOwn('threadStates', row, true)
    }
    for (const row of tables.messageFeedback.values()) {
      if (row.tenantId === tenantId && row.messageId === id) setOwn('messageFeedback', row, true)
    }
  }

  function insert<Name extends CollectionName>(collection: Name, given: Rows[Name]): Rows[Name] {
    const row = withDerived(collection, given)
    if (collection === 'chatThreads') archiveOthers(row as ChatThreadRow)
    checkInsert(tables, collection, row)
    record(collection, undefined, row)
    if (collection === 'sessions') followVisibility(row as Rows['sessions'])
    if (collection === 'sessionGrants') followGrants(row as Rows['sessionGrants'])
    if (collection === 'chatMessages') counters.inserted(row as Rows['chatMessages'])
    return row
  }

  /** Sets the columns that follow from others: the access of a session and its threads, the words of an event. */
  function withDerived<Name extends CollectionName>(collection: Name, row: Rows[Name]): Rows[Name] {
    if (collection === 'sessions') {
      return { ...row, ...derivedAccess(tables, row as Rows['sessions']) }
    }
    if (collection === 'chatThreads') {
      const { tenantId, sessionId } = row as ChatThreadRow
      const session = tables.sessions.get(keyOf({ tenantId, id: sessionId }))
      return { ...row, audiences: session?.audiences ?? [] }
    }
    if (collection !== 'timelineEvents') return row
    const { title, toolName, text, moreWords } = row as Rows['timelineEvents']
    if (moreWords !== null) return row
    const words = [title, toolName, text].filter((part) => part !== null).join(' ')
    return { ...row, moreWords: searchWords(words, words.length) }
  }

  /** The grant to `tenant` and the visibility of a session follow each other. */
  function followVisibility(session: Rows['sessions']): void {
    const grants = childrenOf<'sessionGrants'>(tables.sessionGrants, session)
    const grant = grants.find(({ grantee }) => grantee === 'tenant')
    const { tenantId, id: sessionId, ownerId, visibility } = session
    if (visibility === 'private' && grant !== undefined) remove('sessionGrants', grant)
    if (visibility === 'private' || grant !== undefined) return
    const granted = { grantee: 'tenant', role: 'member', createdBy: ownerId } as const
    const times = { version: 1, createdAt: now, updatedAt: now }
    insert('sessionGrants', { tenantId, id: crypto.randomUUID(), sessionId, ...granted, ...times })
  }

  /** The threads of a session have its audiences. Their version stays. */
  function shareThreads({ tenantId, id }: Rows['sessions']): void {
    const session = tables.sessions.get(keyOf({ tenantId, id }))
    if (session === undefined) return
    const { audiences } = session
    for (const thread of childrenOf<'chatThreads'>(tables.chatThreads, session)) {
      if (JSON.stringify(thread.audiences) === JSON.stringify(audiences)) continue
      record('chatThreads', thread, { ...thread, audiences })
    }
  }

  function followGrants({ tenantId, sessionId }: Rows['sessionGrants']): void {
    const session = tables.sessions.get(keyOf({ tenantId, id: sessionId }))
    if (session === undefined) return
    const grants = childrenOf<'sessionGrants'>(tables.sessionGrants, session)
    const isShared = grants.some(({ grantee }) => grantee === 'tenant')
    const visibility = isShared ? ('tenant' as const) : ('private' as const)
    const changes = { visibility, ...derivedAccess(tables, { ...session, visibility }) }
    const isSame = Object.entries(changes).every(
      ([name, value]) => JSON.stringify(Reflect.get(session, name)) === JSON.stringify(value),
    )
    if (!isSame) update('sessions', session, changes)
  }

  function update<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name],
    given: Partial<Rows[Name]>,
  ): Rows[Name] {
    const changed = { ...old, ...given, ...folded(collection, old, given) }
    const row = touched(old, withDerived(collection, changed))
    if (collection === 'chatThreads' && (old as ChatThreadRow).status !== 'active') {
      archiveOthers(row as ChatThreadRow)
    }
    record(collection, old, row)
    if (collection === 'sessions') {
      followVisibility(row as Rows['sessions'])
      shareThreads(row as Rows['sessions'])
    }
    if (collection === 'sessionGrants') followGrants(row as Rows['sessionGrants'])
    if (collection === 'chatMessages') {
      counters.updated(old as Rows['chatMessages'], row as Rows['chatMessages'])
    }
    return row
  }

  /** Folds the deltas into a message whose stream ends. */
  function folded<Name extends CollectionName>(
    collection: Name,
    old: Rows[Name],
    given: Partial<Rows[Name]>,
  ): object {
    if (collection !== 'chatMessages') return {}
    const message = old as Rows['chatMessages']
    const changed = foldStream(tables, message, { ...message, ...given })
    if (changed !== undefined) removeDeltas(message)
    return changed ?? {}
  }

  /** Increments the version and sets `updatedAt`, unless the update sets it. */
  function touched<Row extends Rows[CollectionName]>(old: Row, row: Row): Row {
    if (!('version' in old && 'updatedAt' in row)) return row
    const isTimeGiven = row.updatedAt.getTime() !== old.updatedAt.getTime()
    return { ...row, version: old.version + 1, updatedAt: isTimeGiven ? row.updatedAt : now }
  }

  /** Archives the other threads of the session and mode, since only one may be active. */
  function archiveOthers(active: ChatThreadRow): void {
    if (active.status !== 'active') return
    for (const thread of tables.chatThreads.values()) {
      const isRival =
        thread.tenantId === active.tenantId &&
        thread.sessionId === active.sessionId &&
        thread.mode === active.mode &&
        thread.id !== active.id
      if (isRival && thread.status === 'active') {
        update('chatThreads', thread, { status: 'archived' })
      }
    }
  }

  function remove<Name extends CollectionName>(collection: Name, row: Rows[Name]): void {
    record(collection, row, undefined)
    removeOwn(row)
    if (collection === 'sessionGrants') followGrants(row as Rows['sessionGrants'])
    if (collection === 'chatMessages') removeDeltas(row as Rows['chatMessages'])
    if (collection === 'sessions') removeChildren(row as Rows['sessions'])
    if (collection === 'chatThreads') removeMessages([row as ChatThreadRow])
    if (collection === 'chatMessages') {
      attachFollowers(row as Rows['chatMessages'])
      counters.deleted(row as Rows['chatMessages'])
    }
  }

  /** The messages that followed a deleted one follow its parent. */
  function attachFollowers({ tenantId, id, parentId }: Rows['chatMessages']): void {
    for (const message of tables.chatMessages.values()) {
      if (message.tenantId !== tenantId || message.parentId !== id) continue
      update('chatMessages', message, { parentId })
    }
  }

  function removeChildren(session: Rows['sessions']): void {
    for (const event of childrenOf<'timelineEvents'>(tables.timelineEvents, session)) {
      record('timelineEvents', event, undefined)
    }
    for (const grant of childrenOf<'sessionGrants'>(tables.sessionGrants, session)) {
      record('sessionGrants', grant, undefined)
    }
    const threads = childrenOf<'chatThreads'>(tables.chatThreads, session)
    for (const thread of threads) {
      record('chatThreads', thread, undefined)
      removeOwn(thread)
    }
    removeMessages(threads)
  }

  function removeMessages(threads: readonly ChatThreadRow[]): void {
    for (const thread of threads) {
      for (const message of messagesOf(tables, thread)) {
        record('chatMessages', message, undefined)
        removeOwn(message)
        removeDeltas(message)
      }
    }
  }

  return {
    now,
    tables,
    changes,
    insert,
    update,
    delete: remove,
    addDelta,
    setOwn: (collection, row) => setOwn(collection, row),
    load: (collection, row) =>
      void (tables[collection] as Map<string, unknown>).set(keyOf(row), row),
    noteAppChange: (change) => void changes.push(change),
  }
}

/** A violated constraint of the database. */
export class ConstraintViolation extends Error {
  override name = 'ConstraintViolation'
  readonly constraint: 'id' | 'seq' | 'parent' | 'position'

  constructor(constraint: ConstraintViolation['constraint'], message: string) {
    super(message)
    this.constraint = constraint
  }
}

/**
 * Checks a new row's constraints.
 *
 * @throws ConstraintViolation
 */
function checkInsert<Name extends CollectionName>(
  tables: Tables,
  collection: Name,
  row: Rows[Name],
): void {
  if (tables[collection].has(keyOf(row))) {
    throw violation('id', collection, row, 'there is a row with this id already. Use another one.')
  }
  if (collection === 'timelineEvents') checkEvent(tables, row as Rows['timelineEvents'])
  if (collection === 'chatThreads') parentSession(tables, collection, row as Rows['chatThreads'])
  if (collection === 'sessionGrants') checkGrant(tables, row as Rows['sessionGrants'])
  if (collection === 'chatMessages') checkMessage(tables, row as Rows['chatMessages'])
}

function checkGrant(tables: Tables, grant: Rows['sessionGrants']): void {
  const session = parentSession(tables, 'sessionGrants', grant)
  const others = childrenOf<'sessionGrants'>(tables.sessionGrants, session)
  if (others.some(({ grantee }) => grantee === grant.grantee)) {
    const message = `'${grant.grantee}' has a role in session '${session.id}' already. Change that one.`
    throw violation('id', 'sessionGrants', grant, message)
  }
}

function checkEvent(tables: Tables, event: Rows['timelineEvents']): void {
  const session = parentSession(tables, 'timelineEvents', event)
  const others = childrenOf<'timelineEvents'>(tables.timelineEvents, session)
  if (others.some(({ seq }) => seq === event.seq)) {
    const message = `seq ${event.seq} is taken in session '${session.id}'. Use another one.`
    throw violation('seq', 'timelineEvents', event, message)
  }
}

function checkMessage(tables: Tables, message: Rows['chatMessages']): void {
  const thread = tables.chatThreads.get(keyOf({ tenantId: message.tenantId, id: message.threadId }))
  if (thread === undefined || thread.sessionId !== message.sessionId) {
    const text = `there is no thread '${message.threadId}' in session '${message.sessionId}'. Insert it first.`
    throw violation('parent', 'chatMessages', message, text)
  }
  for (const other of messagesOf(tables, thread)) {
    const isTwin = message.clientMessageId !== null
    if (other.position !== message.position) {
      if (!isTwin || other.clientMessageId !== message.clientMessageId) continue
    }
    const text = `message '${other.id}' of the thread has the same position or clientMessageId.`
    throw violation('position', 'chatMessages', message, text)
  }
}

function parentSession(
  tables: Tables,
  collection: CollectionName,
  row: { readonly tenantId: string; readonly id: string; readonly sessionId: string },
): Rows['sessions'] {
  const session = tables.sessions.get(keyOf({ tenantId: row.tenantId, id: row.sessionId }))
  if (session !== undefined) return session
  const message = `there is no session '${row.sessionId}' in tenant '${row.tenantId}'. Insert it first.`
  throw violation('parent', collection, row, message)
}

function violation(
  constraint: ConstraintViolation['constraint'],
  collection: CollectionName,
  row: { readonly id: string },
  message: string,
): ConstraintViolation {
  return new ConstraintViolation(constraint, `${collection} '${row.id}': ${message}`)
}

type Thread = Rows['chatThreads']
type Message = Rows['chatMessages']
type Counters = Partial<Thread>

/** Updates a thread, version included, and returns it. */
type UpdateThread = (thread: Thread, changes: Counters) => Thread

/** The database's triggers that update a thread when its messages change. */
export interface MessageCounters {
  inserted(message: Message): void
  updated(old: Message, message: Message): void
  deleted(message: Message): void
}

/**
 * Creates the triggers that maintain a thread's count, preview, time and last position.
 *
 * @example
 * createMessageCounters(tables, updateThread).inserted(message)
 */
function createMessageCounters(tables: Tables, updateThread: UpdateThread): MessageCounters {
  const threadOf = ({ tenantId, threadId }: Message) =>
    tables.chatThreads.get(keyOf({ tenantId, id: threadId }))

  return {
    inserted(message) {
      const thread = threadOf(message)
      if (thread === undefined) return
      updateThread(thread, {
        messageCount: thread.messageCount + 1,
        lastPosition: Math.max(thread.lastPosition, message.position),
        headId: message.id,
        previousHeadId: thread.headId,
        ...lastMessage(messagesOf(tables, thread)),
      })
    },
    updated(old, message) {
      const thread = threadOf(message)
      if (thread === undefined) return
      const isSame =
        old.position === message.position &&
        old.role === message.role &&
        !differs(lastMessage([old]), lastMessage([message]))
      if (isSame) return
      const messages = messagesOf(tables, thread)
      const lastPosition = Math.max(thread.lastPosition, messages.at(-1)?.position ?? 0)
      const changes = { lastPosition, ...lastMessage(messages) }
      if (lastPosition > thread.lastPosition || differs(thread, changes)) {
        updateThread(thread, changes)
      }
    },
    deleted(message) {
      const thread = threadOf(message)
      if (thread === undefined) return
      const messages = messagesOf(tables, thread)
      const head = thread.headId === message.id ? message.parentId : thread.headId
      updateThread(thread, {
        messageCount: thread.messageCount - 1,
        headId: head ?? messages.at(-1)?.id ?? null,
        ...lastMessage(messages),
      })
    },
  }
}

/** Preview and time of a thread, which follow from its last message that is no tool call. */
function lastMessage(messages: readonly Message[]) {
  const message = messages.findLast(({ role }) => role !== 'tool')
  return {
    lastMessageAt: message?.createdAt ?? null,
    lastMessagePreview: message === undefined ? null : previewOf(message.content),
  }
}

function differs(one: Counters, other: Counters): boolean {
  return (
    one.lastMessageAt?.getTime() !== other.lastMessageAt?.getTime() ||
    one.lastMessagePreview !== other.lastMessagePreview
  )
}

/**
 * Folds the deltas into a message whose stream ends or is taken over by another writer. Columns that the
 * statement sets are kept. Twin of the trigger that calls `session_db_fold_deltas`.
 *
 * @returns undefined if the stream continues
 */
function foldStream(tables: Tables, old: Message, row: Message): Partial<Message> | undefined {
  if (old.status !== 'streaming') return undefined
  const isSameWriter = streamStateOf(old.metadata).writer === streamStateOf(row.metadata).writer
  if (row.status === 'streaming' && isSameWriter) return undefined
  const deltas = deltasOf(tables, old)
  const { content, parts } = foldDeltas(old, deltas)
  const ended = JSON.stringify(row.parts) === JSON.stringify(old.parts) ? parts : row.parts
  const last = deltas.at(-1)
  return {
    content: row.content === old.content ? content : row.content,
    parts: row.status === 'error' ? closedCalls(ended) : ended,
    metadata: metadataAfter(row, last === undefined ? undefined : last.seq + 1, old),
  }
}

function metadataAfter(
  { status, metadata }: Message,
  next: number | undefined,
  old: Message,
): Message['metadata'] {
  const { stream, ...rest } = metadata
  if (status === 'complete') return rest
  const from = next ?? streamStateOf(old.metadata).from
  if (from === undefined) return metadata
  const state =
    typeof stream === 'object' && stream !== null && !Array.isArray(stream) ? stream : {}
  return { ...rest, stream: { ...state, from } }
}
