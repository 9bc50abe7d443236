import { isSqlCondition, type SessionAccess, seesSession, writeRule } from '../access/access.ts'
import { type ColumnTexts, type Condition, matches } from '../access/condition.ts'
import { withinTenant } from '../access/within-tenant.ts'
import { SessionDbError } from '../errors.ts'
import type { JsonValue } from '../schema/fields.ts'
import {
  type ChatMessage,
  type ColumnMap,
  type Principal,
  tables as schemaTables,
  streamEpoch,
  streamStateOf,
  type ThreadState,
} from '../schema/index.ts'
import { checkPrincipal } from '../server/http/authenticate.ts'
import { refusal, reusedBatchIdError, takenError } from '../server/store/errors.ts'
import {
  type AppliedMutation,
  type Mutation,
  parseWriteBatch,
  type RowMutation,
  type SetMutation,
  type WriteResult,
} from '../writes/index.ts'
import { checkLimits, defaultLimits, type WriteLimits } from '../writes/limits.ts'
import { completeRow } from './complete-row.ts'
import type { MockParts } from './shape-mock.ts'
import {
  deltaKeyOf,
  deltasOf,
  keyOf,
  type OwnRow,
  type RowInput,
  type Rows,
  type Tables,
} from './tables.ts'
import { ConstraintViolation, type Transaction } from './transaction.ts'
import { jsonbText, rowText } from './wire-text.ts'

/** The database and the rule of a mock, and the caller. */
export interface MemoryContext extends MockParts {
  readonly principal: Principal
  /** The roles of messages that the caller may insert, change and append to. Default: all. */
  readonly messageRoles?: readonly ChatMessage['role'][] | undefined
  /** Default: those of the store. */
  readonly limits?: Partial<WriteLimits> | undefined
}

/**
 * Applies a batch in memory as `store.write` does in Postgres: same rule, same results, same errors.
 *
 * @throws SessionDbError as `store.write`.
 */
export function writeInMemory(context: MemoryContext, batch: unknown): WriteResult {
  checkPrincipal(context.principal)
  try {
    return applyBatch(context, batch)
  } catch (error) {
    if (error instanceof ConstraintViolation) throw takenError(error.constraint === 'seq')
    throw error
  }
}

function applyBatch(context: MemoryContext, batch: unknown): WriteResult {
  const { applied, database, principal } = context
  const { id, mutations } = parseWriteBatch(batch)
  const json = JSON.stringify(mutations)
  checkLimits(mutations, json, limitsOf(context))
  const key = JSON.stringify([principal.tenantId, principal.userId, id])
  // Deltas are deduplicated by their numbers, not by the batch id.
  const isAppend = mutations.length === 1 && mutations[0]?.type === 'append'
  const earlier = isAppend ? undefined : applied.get(key)
  if (earlier) {
    if (earlier.request === json) return earlier.result
    throw reusedBatchIdError()
  }
  const { result: done, txid } = database.transaction((transaction) =>
    mutations.map((mutation, index) => applyMutation(transaction, context, mutation, index)),
  )
  const result = { batchId: id, txid, mutations: done }
  if (!isAppend) applied.set(key, { request: json, result })
  return result
}

/**
 * Applies one mutation of a batch if the access rule permits it.
 *
 * @throws SessionDbError `not_found`, `forbidden` or `conflict`; ConstraintViolation
 */
function applyMutation(
  transaction: Transaction,
  context: MemoryContext,
  mutation: Mutation,
  index: number,
): AppliedMutation {
  if (mutation.type === 'set') return setOwnRow(transaction, context, mutation, index)
  const { principal } = context
  const target = findTarget(context, mutation)
  const { permitted = null, currentVersion = null } = target ?? {}
  if (permitted !== true || !isExpected(transaction, principal, mutation, currentVersion)) {
    throw refusal(mutation, index, { permitted, current: currentVersion })
  }
  const problem =
    exceededLimit(transaction, context, mutation) ??
    missingMessage(transaction, principal, mutation)
  if (problem !== undefined) throw refusal(mutation, index, { permitted, current: null, problem })
  switch (mutation.type) {
    case 'insert':
      return insert(transaction, principal, mutation)
    case 'update':
      return update(transaction, principal, mutation)
    case 'delete': {
      const { collection, type, id } = mutation
      transaction.delete(collection, existing(transaction, principal, mutation))
      return { collection, type, id, version: null }
    }
    case 'append':
      return appendDeltas(transaction, principal, mutation)
  }
}

/** Sets a user's own row. Twin of `planSet` in server/store/own-rows.ts. */
function setOwnRow(
  transaction: Transaction,
  context: MemoryContext,
  mutation: SetMutation,
  index: number,
): AppliedMutation {
  const { tenantId, userId } = context.principal
  const { collection, type, id } = mutation
  const { tables, now } = transaction
  const isState = collection === 'threadStates'
  const parent = isState
    ? tables.chatThreads.get(keyOf({ tenantId, id }))
    : tables.chatMessages.get(keyOf({ tenantId, id }))
  const session = parent && tables.sessions.get(keyOf({ tenantId, id: parent.sessionId }))
  if (parent === undefined || session === undefined || !seesInMemory(context, session)) {
    throw refusal(mutation, index, { permitted: null, current: null })
  }
  const key = JSON.stringify([tenantId, userId, id])
  const old = isState ? tables.threadStates.get(key) : tables.messageFeedback.get(key)
  const own = { tenantId, userId, sessionId: parent.sessionId }
  const times = { version: 0, createdAt: now, updatedAt: now }
  const before =
    old ??
    (isState
      ? { ...own, threadId: id, readPosition: 0, pinnedAt: null, ...times }
      : { ...own, messageId: id, rating: null, comment: null, ...times })
  const changes = ownChanges(mutation, before, parent, now)
  const row = { ...before, ...changes } as OwnRow
  if (old !== undefined && JSON.stringify(row) === JSON.stringify(old)) {
    return { collection, type, id, version: old.version, unchanged: true }
  }
  transaction.setOwn(collection, { ...row, version: row.version + 1, updatedAt: now })
  return { collection, type, id, version: row.version + 1 }
}

function ownChanges(
  mutation: SetMutation,
  before: OwnRow,
  parent: Rows['chatThreads'] | Rows['chatMessages'],
  now: Date,
): object {
  if (mutation.collection === 'messageFeedback') {
    const given = Object.entries(mutation.changes).filter(([, value]) => value !== undefined)
    return Object.fromEntries(given)
  }
  const { readPosition, pinned } = mutation.changes
  const { readPosition: read, pinnedAt } = before as ThreadState
  const { lastPosition } = parent as Rows['chatThreads']
  return {
    ...(readPosition !== undefined && {
      readPosition: Math.max(read, Math.min(readPosition, lastPosition)),
    }),
    ...(pinned !== undefined && { pinnedAt: pinned ? (pinnedAt ?? now) : null }),
  }
}

function limitsOf({ limits }: MemoryContext): WriteLimits {
  return { ...defaultLimits, ...limits }
}

/** Returns the name of the limit that a permitted mutation would exceed. Twin of the plans in server/store. */
function exceededLimit(
  { tables }: Transaction,
  context: MemoryContext,
  mutation: RowMutation,
): keyof WriteLimits | undefined {
  const { tenantId, userId } = context.principal
  const limits = limitsOf(context)
  if (mutation.type === 'append') return exceededByDeltas(tables, context, mutation)
  if (mutation.collection === 'chatThreads' && mutation.type === 'insert') {
    const { sessionId } = mutation.value
    const own = [...tables.chatThreads.values()].filter(
      (row) => row.tenantId === tenantId && row.sessionId === sessionId && row.createdBy === userId,
    )
    return own.length >= limits.maxThreads ? 'maxThreads' : undefined
  }
  if (mutation.collection === 'sessionGrants' && mutation.type === 'insert') {
    const { sessionId, grantee } = mutation.value
    const grants = [...tables.sessionGrants.values()].filter((row) => row.tenantId === tenantId)
    const inSession = grants.filter((row) => row.sessionId === sessionId)
    if (inSession.length >= limits.maxGrants) return 'maxGrants'
    if (grantee === 'tenant') return undefined
    const own = grants.filter((row) => row.createdBy === userId && row.grantee !== 'tenant')
    return own.length >= limits.maxGrantsPerUser ? 'maxGrantsPerUser' : undefined
  }
  if (mutation.collection !== 'chatMessages' || mutation.type === 'delete') return undefined
  const row =
    mutation.type === 'update'
      ? tables.chatMessages.get(keyOf({ tenantId, id: mutation.id }))
      : { ...mutation.value, authorId: userId, status: undefined }
  const status = mutation.type === 'update' ? mutation.changes.status : mutation.value.status
  if (row === undefined || status !== 'streaming' || row.status === 'streaming') return undefined
  const streams = [...tables.chatMessages.values()].filter(
    (other) =>
      other.tenantId === tenantId &&
      other.authorId === row.authorId &&
      other.status === 'streaming',
  )
  if (row.authorId === userId && streams.length >= limits.maxStreamingMessages) {
    return 'maxStreamingMessages'
  }
  const inThread = streams.filter(({ threadId }) => threadId === row.threadId)
  return inThread.length >= limits.maxStreamingPerThread ? 'maxStreamingPerThread' : undefined
}

function exceededByDeltas(
  tables: Tables,
  context: MemoryContext,
  mutation: Append,
): keyof WriteLimits | undefined {
  const { tenantId } = context.principal
  const limits = limitsOf(context)
  const message = tables.chatMessages.get(keyOf({ tenantId, id: mutation.id }))
  if (message === undefined || storedAlready(tables, tenantId, mutation) > 0) return undefined
  const bytes = mutation.deltas.reduce(
    (total, delta) => total + bytesOfDelta(delta),
    bytesOfMessage(tables, message),
  )
  if (bytes > limits.maxStreamedBytes) return 'maxStreamedBytes'
  const { from = 0 } = streamStateOf(message.metadata)
  const count = mutation.seq + mutation.deltas.length - from
  return count > limits.maxStreamedDeltas ? 'maxStreamedDeltas' : undefined
}

const encoder = new TextEncoder()
const bytesOf = (text: string | null) => (text === null ? 0 : encoder.encode(text).length)

function bytesOfDelta({ delta, part }: Append['deltas'][number]): number {
  return bytesOf(delta) + bytesOf(part === undefined ? null : jsonbText(part as JsonValue))
}

/** UTF-8 bytes of a message with its deltas, JSON as Postgres prints it. */
function bytesOfMessage(tables: Tables, message: Rows['chatMessages']): number {
  const last = deltasOf(tables, message).at(-1)
  if (last !== undefined) return last.totalBytes
  const { content, parts, metadata } = message
  return bytesOf(content) + bytesOf(jsonbText(parts as JsonValue)) + bytesOf(jsonbText(metadata))
}

function isExpected(
  transaction: Transaction,
  principal: Principal,
  mutation: RowMutation,
  currentVersion: number | null,
): boolean {
  if (mutation.type === 'append') return mayAppend(transaction.tables, principal, mutation)
  if (mutation.type === 'insert' || mutation.expectedVersion === undefined) return true
  return mutation.expectedVersion === currentVersion
}

function insert(
  transaction: Transaction,
  principal: Principal,
  mutation: Extract<RowMutation, { type: 'insert' }>,
): AppliedMutation {
  const { collection, type } = mutation
  const twin = storedTwin(transaction, principal, mutation)
  if (twin) return { collection, type, id: twin.id, version: twin.version, unchanged: true }
  const given = defaultsForNull(collection, mutation.value)
  const row = completeRow(transaction, collection, given as RowInput<typeof collection>, principal)
  transaction.insert(collection, row)
  return { collection, type, id: row.id, version: 'version' in row ? row.version : null }
}

/** Returns the property that refers to a message which the thread doesn't have. */
function missingMessage(
  { tables }: Transaction,
  { tenantId }: Principal,
  mutation: RowMutation,
): string | undefined {
  const isThere = (threadId: string, id: string) =>
    tables.chatMessages.get(keyOf({ tenantId, id }))?.threadId === threadId
  if (mutation.collection === 'chatMessages' && mutation.type === 'insert') {
    const { threadId, parentId } = mutation.value
    if (storedTwin({ tables }, { tenantId }, mutation) !== undefined) return undefined
    return parentId == null || isThere(threadId, parentId) ? undefined : 'parentId'
  }
  if (mutation.collection === 'chatThreads' && mutation.type === 'update') {
    const { headId } = mutation.changes
    return headId == null || isThere(mutation.id, headId) ? undefined : 'headId'
  }
  return undefined
}

/** Finds the thread's message that was already stored under the same `clientMessageId`. */
function storedTwin(
  { tables }: Pick<Transaction, 'tables'>,
  { tenantId }: Pick<Principal, 'tenantId'>,
  mutation: Extract<RowMutation, { type: 'insert' }>,
): Rows['chatMessages'] | undefined {
  if (mutation.collection !== 'chatMessages') return undefined
  const { threadId, clientMessageId } = mutation.value
  if (clientMessageId == null) return undefined
  return [...tables.chatMessages.values()].find(
    (row) =>
      row.tenantId === tenantId &&
      row.threadId === threadId &&
      row.clientMessageId === clientMessageId,
  )
}

function defaultsForNull(collection: RowMutation['collection'], value: object): object {
  const columns: ColumnMap = schemaTables[collection].columns
  const said = Object.entries(value).filter(
    ([property, entry]) => entry !== null || columns[property]?.default === null,
  )
  return Object.fromEntries(said)
}

function update(
  transaction: Transaction,
  principal: Principal,
  mutation: Extract<RowMutation, { type: 'update' }>,
): AppliedMutation {
  const { collection, type, id } = mutation
  const old = existing(transaction, principal, mutation)
  const named = Object.entries(mutation.changes).filter(([, value]) => value !== undefined)
  const changes = Object.fromEntries(named)
  if (collection === 'timelineEvents' && !differs(collection, old, { ...old, ...changes })) {
    return { collection, type, id, version: null, unchanged: true }
  }
  const row = transaction.update(collection, old, { ...changes, ...ownedBy(collection, changes) })
  return { collection, type, id, version: 'version' in row ? row.version : null }
}

/** A parser no longer replaces an event once a user has changed it, nor a model a title. Twin of `planUpdate` in server/store. */
function ownedBy(collection: RowMutation['collection'], changes: object): object {
  if (collection === 'chatThreads' && 'title' in changes) return { titleSet: true }
  if (collection !== 'timelineEvents') return {}
  const hasOtherWords = ['title', 'text', 'toolName'].some((property) => property in changes)
  return { derivedBy: null, ...(hasOtherWords && { moreWords: null }) }
}

/** Timeline events have no version, so an update that changes nothing is skipped. */
function differs(collection: RowMutation['collection'], old: object, row: object): boolean {
  const { columns } = schemaTables[collection]
  return JSON.stringify(rowText(columns, old)) !== JSON.stringify(rowText(columns, row))
}

/** The row of a permitted mutation. */
function existing(
  { tables }: Transaction,
  { tenantId }: Principal,
  { collection, id }: Extract<RowMutation, { type: 'update' | 'delete' }>,
): Rows[typeof collection] {
  return tables[collection].get(keyOf({ tenantId, id })) as Rows[typeof collection]
}

/** The row a mutation targets, as far as permission is concerned. */
export interface Target {
  readonly permitted: boolean
  /** Null if the row has no version or doesn't exist yet. */
  readonly currentVersion: number | null
}

/**
 * Applies the access rule to a mutation.
 *
 * @returns undefined if the row or its parent doesn't exist, or the principal may not see it
 */
export function findTarget(context: MemoryContext, mutation: RowMutation): Target | undefined {
  const { access, database, principal } = context
  const { tables, rowsOf } = database
  const keyFor = (id: string) => keyOf({ tenantId: principal.tenantId, id })
  const row =
    mutation.type === 'insert' ? undefined : tables[mutation.collection].get(keyFor(mutation.id))
  if (mutation.type !== 'insert' && row === undefined) return undefined
  const currentVersion = row !== undefined && 'version' in row ? row.version : null
  const threadId = threadOf(mutation, row)
  const thread = threadId === undefined ? undefined : tables.chatThreads.get(keyFor(threadId))
  const sessionId = sessionOf(mutation, row, thread)
  const session = sessionId === undefined ? undefined : tables.sessions.get(keyFor(sessionId))
  const isNewSession = mutation.collection === 'sessions' && mutation.type === 'insert'
  if (session === undefined && !isNewSession) return undefined
  const texts = {
    ...(session && rowText(schemaTables.sessions.columns, session)),
    ...(thread && prefixed('thread', rowText(schemaTables.chatThreads.columns, thread))),
    ...(row &&
      prefixed(
        ALIASES[mutation.collection],
        rowText(schemaTables[mutation.collection].columns, row),
      )),
  }
  const holds = (condition: Condition) =>
    matches(withinTenant(condition, principal.tenantId, null), texts, rowsOf)
  if (!isNewSession && !holds(seesSession(access, principal))) return undefined
  const permitted =
    isRoleAllowed(context, mutation, row) && holds(ruleFor(access, principal, mutation))
  return { permitted, currentVersion }
}

function isRoleAllowed(
  { messageRoles }: MemoryContext,
  mutation: RowMutation,
  row: Rows[keyof Rows] | undefined,
): boolean {
  if (messageRoles === undefined || mutation.collection !== 'chatMessages') return true
  if (mutation.type === 'delete') return true
  const { role } = mutation.type === 'insert' ? mutation.value : (row as Rows['chatMessages'])
  return messageRoles.includes(role)
}

/** Returns true if the access rule lets the principal see a session. */
export function seesInMemory(
  { access, database, principal }: MemoryContext,
  session: Rows['sessions'],
): boolean {
  const condition = withinTenant(seesSession(access, principal), principal.tenantId, null)
  return matches(condition, rowText(schemaTables.sessions.columns, session), database.rowsOf)
}

const ALIASES: Readonly<Record<RowMutation['collection'], string>> = {
  sessions: 'session',
  sessionGrants: 'share',
  timelineEvents: 'event',
  chatThreads: 'thread',
  chatMessages: 'message',
}

function prefixed(alias: string, texts: ColumnTexts): ColumnTexts {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${alias}.${name}`, text]))
}

function threadOf(mutation: RowMutation, row: Rows[keyof Rows] | undefined): string | undefined {
  if (row !== undefined) return 'threadId' in row ? row.threadId : undefined
  return mutation.type === 'insert' && mutation.collection === 'chatMessages'
    ? mutation.value.threadId
    : undefined
}

function sessionOf(
  mutation: RowMutation,
  row: Rows[keyof Rows] | undefined,
  thread: Rows['chatThreads'] | undefined,
): string | undefined {
  if (row !== undefined) return 'sessionId' in row ? row.sessionId : row.id
  if (mutation.type !== 'insert') return undefined
  return 'sessionId' in mutation.value ? mutation.value.sessionId : thread?.sessionId
}

function ruleFor(access: SessionAccess, principal: Principal, mutation: RowMutation): Condition {
  const rule = writeRule(access, principal, mutation)
  if (!isSqlCondition(rule)) return rule
  throw new SessionDbError(
    'invalid',
    `The access rule for ${mutation.type} in ${mutation.collection} is SQL, which the mock cannot evaluate. Return a condition made by where.*() instead.`,
  )
}

type Append = Extract<RowMutation, { type: 'append' }>

/** Returns true if the deltas come from the message's writer and are the next ones, or already stored. */
function mayAppend(tables: Tables, { tenantId }: Principal, mutation: Append): boolean {
  const message = tables.chatMessages.get(keyOf({ tenantId, id: mutation.id }))
  if (message?.status !== 'streaming') return false
  const { writer, from = 0 } = streamStateOf(message.metadata)
  if (writer !== mutation.writer) return false
  const last = deltasOf(tables, message).at(-1)
  const same = storedAlready(tables, tenantId, mutation)
  if (same === mutation.deltas.length) return true
  return same === 0 && mutation.seq === (last === undefined ? from : last.seq + 1)
}

/** Stores deltas that `mayAppend` accepts, unless they are already stored. */
function appendDeltas(
  transaction: Transaction,
  { tenantId }: Principal,
  mutation: Append,
): AppliedMutation {
  const { collection, type, id } = mutation
  const message = transaction.tables.chatMessages.get(keyOf({ tenantId, id }))
  if (message === undefined)
    throw new Error('mayAppend accepted deltas of a message that does not exist.')
  const { version } = message
  if (storedAlready(transaction.tables, tenantId, mutation) > 0) {
    return { collection, type, id, version, unchanged: true }
  }
  let totalBytes = bytesOfMessage(transaction.tables, message)
  for (const [index, { delta, part = null }] of mutation.deltas.entries()) {
    totalBytes += bytesOfDelta({ delta, part: part ?? undefined })
    transaction.addDelta({
      tenantId,
      messageId: id,
      seq: mutation.seq + index,
      sessionId: message.sessionId,
      epoch: streamEpoch(message.createdAt),
      delta,
      part,
      createdAt: transaction.now,
      totalBytes,
    })
  }
  return { collection, type, id, version }
}

function storedAlready(tables: Tables, tenantId: string, { id, seq, deltas }: Append): number {
  return deltas.filter(({ delta, part = null }, index) => {
    const key = deltaKeyOf({ tenantId, messageId: id, seq: seq + index })
    const stored = tables.chatMessageDeltas.get(key)
    return (
      stored?.delta === delta &&
      jsonbText(stored.part as JsonValue) === jsonbText(part as JsonValue)
    )
  }).length
}
