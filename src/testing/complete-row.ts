import type * as z from 'zod/mini'
import { SessionDbError } from '../errors.ts'
import {
  type CollectionName,
  type ColumnDefinition,
  chatMessageRowSchema,
  chatThreadRowSchema,
  type Principal,
  tables as schemaTables,
  sessionGrantRowSchema,
  sessionRowSchema,
  timelineEventRowSchema,
} from '../schema/index.ts'
import { validate } from '../schema/validate.ts'
import type { MemoryDatabase } from './memory-database.ts'
import { childrenOf, keyOf, type RowInput, type RowInputs, type Rows } from './tables.ts'
import type { Transaction } from './transaction.ts'

const rowSchemas: { readonly [Name in CollectionName]: z.ZodMiniType<Rows[Name]> } = {
  sessions: sessionRowSchema,
  sessionGrants: sessionGrantRowSchema,
  timelineEvents: timelineEventRowSchema,
  chatThreads: chatThreadRowSchema,
  chatMessages: chatMessageRowSchema,
}

const idPrefixes: Readonly<Record<CollectionName, string>> = {
  sessions: 'session',
  sessionGrants: 'grant',
  timelineEvents: 'event',
  chatThreads: 'thread',
  chatMessages: 'message',
}

/**
 * Completes a row with the database's defaults, and with plausible values for required columns.
 *
 * @throws SessionDbError `invalid`, naming the property that the database would refuse
 * @example
 * completeRow(transaction, 'chatMessages', { threadId: 't1', content: 'Hi' }, principal)
 */
export function completeRow<Name extends CollectionName>(
  transaction: Transaction,
  collection: Name,
  given: RowInput<Name>,
  principal: Principal,
): Rows[Name] {
  const tenantId = given.tenantId ?? principal.tenantId
  const id = given.id ?? unusedId(transaction, collection, tenantId)
  const said = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as RowInput<Name>
  const row = {
    ...databaseDefaults(collection, transaction.now),
    ...plausible(transaction, collection, { ...said, tenantId, id }, principal),
    ...said,
    tenantId,
    id,
  }
  const parsed = validate(rowSchemas[collection], row)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const path = [collection, `'${id}'`, ...(issue?.path.map(String) ?? [])].join(' ')
  throw new SessionDbError('invalid', `${path}: ${issue?.message ?? 'is not valid'}`)
}

function unusedId(transaction: Transaction, collection: CollectionName, tenantId: string): string {
  const rows = transaction.tables[collection]
  for (let number = 1; ; number += 1) {
    const id = `${idPrefixes[collection]}-${number}`
    if (!rows.has(keyOf({ tenantId, id }))) return id
  }
}

function databaseDefaults(collection: CollectionName, now: Date): Record<string, unknown> {
  const columns = Object.entries<ColumnDefinition>(schemaTables[collection].columns)
  return Object.fromEntries(
    columns
      .filter(([, column]) => column.default !== null || column.nullable)
      .map(([property, column]) => [property, defaultValue(column, now)]),
  )
}

/** Evaluates a default expression as `pg_get_expr` prints it. */
function defaultValue({ default: expression, type }: ColumnDefinition, now: Date): unknown {
  if (expression === null) return null
  if (expression === 'now()') return now
  const text = /^'(.*)'::/.exec(expression)?.[1] ?? expression
  if (type === 'text[]') return []
  return type === 'text' ? text : JSON.parse(text)
}

type Known = { readonly tenantId: string; readonly id: string }

/** Returns values for required columns without a default. */
function plausible(
  { tables }: Transaction,
  collection: CollectionName,
  row: Known & RowInput<CollectionName>,
  { userId }: Principal,
): object {
  const { tenantId, id } = row
  switch (collection) {
    case 'sessions':
      return { ownerId: userId, title: `Session ${id}` }
    case 'sessionGrants':
      return { createdBy: userId, grantee: 'tenant', role: 'member' }
    case 'timelineEvents': {
      const session = { tenantId, id: (row as RowInput<'timelineEvents'>).sessionId ?? '' }
      const events = childrenOf<'timelineEvents'>(tables.timelineEvents, session)
      return { kind: 'message', seq: Math.max(-1, ...events.map(({ seq }) => seq)) + 1 }
    }
    case 'chatThreads':
      return { createdBy: userId, mode: 'session', title: `Thread ${id}` }
    case 'chatMessages': {
      const threadId = (row as RowInput<'chatMessages'>).threadId ?? ''
      const thread = tables.chatThreads.get(keyOf({ tenantId, id: threadId }))
      const position = (thread?.lastPosition ?? 0) + 1
      const content = `Message ${id}`
      const sessionId = thread?.sessionId ?? 'unknown'
      const parentId = thread?.headId ?? null
      return { authorId: userId, role: 'user', content, position, sessionId, parentId }
    }
  }
}

/**
 * Inserts the initial rows. Threads count their messages, except for counters that a row sets explicitly, and
 * every row keeps its version.
 *
 * @throws SessionDbError `invalid` for a row that the database would refuse
 */
export function seedRows(database: MemoryDatabase, rows: RowInputs, principal: Principal): void {
  database.transaction((transaction) => {
    const sessions = insertAll(transaction, 'sessions', rows.sessions, principal)
    insertAll(transaction, 'sessionGrants', rows.sessionGrants, principal)
    for (const session of sessions) restoreVersion(transaction, session)
    insertAll(transaction, 'timelineEvents', rows.timelineEvents, principal)
    const threads = insertAll(transaction, 'chatThreads', rows.chatThreads, principal)
    insertAll(transaction, 'chatMessages', rows.chatMessages, principal)
    for (const [index, thread] of threads.entries()) {
      restoreThread(transaction, rows.chatThreads?.[index] ?? {}, thread)
    }
  })
}

function insertAll<Name extends CollectionName>(
  transaction: Transaction,
  collection: Name,
  rows: readonly RowInput<Name>[] | undefined,
  principal: Principal,
): Rows[Name][] {
  return (rows ?? []).map((given) => {
    const row = completeRow(transaction, collection, given, principal)
    transaction.insert(collection, row)
    return row
  })
}

/** Undoes the new version that the grants gave a session. */
function restoreVersion(
  { tables, load }: Transaction,
  { tenantId, id, version, updatedAt }: Rows['sessions'],
): void {
  const shared = tables.sessions.get(keyOf({ tenantId, id }))
  if (shared && shared.version !== version) load('sessions', { ...shared, version, updatedAt })
}

function restoreThread(
  { tables, load }: Transaction,
  given: RowInput<'chatThreads'>,
  { tenantId, id, version, updatedAt }: Rows['chatThreads'],
): void {
  const counted = tables.chatThreads.get(keyOf({ tenantId, id }))
  if (counted === undefined) return
  const { messageCount, lastPosition, lastMessageAt, lastMessagePreview, headId } = given
  const counters = { messageCount, lastPosition, lastMessageAt, lastMessagePreview, headId }
  const said = Object.fromEntries(
    Object.entries(counters).filter(([, value]) => value !== undefined),
  )
  load('chatThreads', { ...counted, ...said, version, updatedAt })
}
