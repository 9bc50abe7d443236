import { SessionDbError } from '../errors.ts'
import {
  type ColumnMap,
  type Principal,
  tables as schemaTables,
  streamEpoch,
  streamStateOf,
} from '../schema/index.ts'
import { checkPrincipal } from '../server/http/authenticate.ts'
import { refusal, reusedBatchIdError, takenError } from '../server/store/errors.ts'
import {
  type AppliedMutation,
  type Mutation,
  parseWriteBatch,
  toWriteFailure,
  type WriteAdapter,
  type WriteResult,
} from '../writes/index.ts'
import { checkLimits, defaultLimits } from '../writes/limits.ts'
import { completeRow } from './complete-row.ts'
import type { MemoryDatabase } from './memory-database.ts'
import { type AppliedBatches, databaseOf, defaultPrincipal, type ShapeMock } from './shape-mock.ts'
import { deltaKeyOf, deltasOf, keyOf, type RowInput, type Rows, type Tables } from './tables.ts'
import { ConstraintViolation, type Transaction } from './transaction.ts'
import { jsonbText, rowText } from './wire-text.ts'

export interface MemoryWriteAdapterOptions {
  /** The principal that writes. Default `defaultPrincipal`. */
  readonly principal?: Principal
}

/**
 * Creates a write adapter that applies batches in memory as the server's store does in Postgres under the
 * default policy: same results, same errors, same rows. The txid it returns is the one that the mock's
 * streams carry.
 *
 * @throws SessionDbError `invalid` if `mock` wasn't created by `createShapeMock`
 * @example
 * const db = createSessionCollections({
 *   electricUrl: 'http://app.test/api/shapes',
 *   writeAdapter: createMemoryWriteAdapter(mock, { principal: { tenantId: 'acme', userId: 'ann' } }),
 * })
 */
export function createMemoryWriteAdapter(
  mock: ShapeMock,
  { principal = defaultPrincipal }: MemoryWriteAdapterOptions = {},
): WriteAdapter {
  const { database, applied } = databaseOf(mock)
  return async (batch) => {
    try {
      return write(database, applied, principal, batch)
    } catch (error) {
      if (error instanceof ConstraintViolation) {
        return toWriteFailure(takenError(error.constraint === 'seq'))
      }
      if (error instanceof SessionDbError) return toWriteFailure(error)
      throw error
    }
  }
}

function write(
  database: MemoryDatabase,
  applied: AppliedBatches,
  principal: Principal,
  batch: unknown,
): WriteResult {
  checkPrincipal(principal)
  const { id, mutations } = parseWriteBatch(batch)
  const json = JSON.stringify(mutations)
  checkLimits(mutations, json, defaultLimits)
  const key = JSON.stringify([principal.tenantId, id])
  const request = JSON.stringify([principal.userId, json])
  // Deltas are deduplicated by their numbers, not by the batch id.
  const isAppend = mutations.length === 1 && mutations[0]?.type === 'append'
  const earlier = isAppend ? undefined : applied.get(key)
  if (earlier) {
    if (earlier.request === request) return earlier.result
    throw reusedBatchIdError()
  }
  const { result: done, txid } = database.transaction((transaction) =>
    mutations.map((mutation, index) => applyMutation(transaction, principal, mutation, index)),
  )
  const result = { batchId: id, txid, mutations: done }
  if (!isAppend) applied.set(key, { request, result })
  return result
}

/**
 * Applies one mutation of a batch if the default policy permits it.
 *
 * @throws SessionDbError `not_found`, `forbidden` or `conflict`; ConstraintViolation
 */
export function applyMutation(
  transaction: Transaction,
  principal: Principal,
  mutation: Mutation,
  index: number,
): AppliedMutation {
  const target = findTarget(transaction.tables, principal, mutation)
  const { permitted = null, currentVersion = null } = target ?? {}
  if (permitted !== true || !isExpected(transaction, principal, mutation, currentVersion)) {
    throw refusal(mutation, index, { permitted, current: currentVersion })
  }
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

function isExpected(
  transaction: Transaction,
  principal: Principal,
  mutation: Mutation,
  currentVersion: number | null,
): boolean {
  if (mutation.type === 'append') return mayAppend(transaction.tables, principal, mutation)
  if (mutation.type === 'insert' || mutation.expectedVersion === undefined) return true
  return mutation.expectedVersion === currentVersion
}

function insert(
  transaction: Transaction,
  principal: Principal,
  mutation: Extract<Mutation, { type: 'insert' }>,
): AppliedMutation {
  const { collection, type } = mutation
  const twin = storedTwin(transaction, principal, mutation)
  if (twin) return { collection, type, id: twin.id, version: twin.version, unchanged: true }
  const given = defaultsForNull(collection, mutation.value)
  const row = completeRow(transaction, collection, given as RowInput<typeof collection>, principal)
  transaction.insert(collection, row)
  return { collection, type, id: row.id, version: 'version' in row ? row.version : null }
}

/** Finds the thread's message that was already stored under the same `clientMessageId`. */
function storedTwin(
  { tables }: Transaction,
  { tenantId }: Principal,
  mutation: Extract<Mutation, { type: 'insert' }>,
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

function defaultsForNull(collection: Mutation['collection'], value: object): object {
  const columns: ColumnMap = schemaTables[collection].columns
  const said = Object.entries(value).filter(
    ([property, entry]) => entry !== null || columns[property]?.default === null,
  )
  return Object.fromEntries(said)
}

function update(
  transaction: Transaction,
  principal: Principal,
  mutation: Extract<Mutation, { type: 'update' }>,
): AppliedMutation {
  const { collection, type, id } = mutation
  const old = existing(transaction, principal, mutation)
  const named = Object.entries(mutation.changes).filter(([, value]) => value !== undefined)
  const changes = Object.fromEntries(named)
  if (collection === 'timelineEvents' && !differs(collection, old, { ...old, ...changes })) {
    return { collection, type, id, version: null, unchanged: true }
  }
  const row = transaction.update(collection, old, changes)
  return { collection, type, id, version: 'version' in row ? row.version : null }
}

/** Timeline events have no version, so an update that changes nothing is skipped. */
function differs(collection: Mutation['collection'], old: object, row: object): boolean {
  const { columns } = schemaTables[collection]
  return JSON.stringify(rowText(columns, old)) !== JSON.stringify(rowText(columns, row))
}

/** The row of a permitted mutation. */
function existing(
  { tables }: Transaction,
  { tenantId }: Principal,
  { collection, id }: Extract<Mutation, { type: 'update' | 'delete' }>,
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
 * Applies the default policy. A principal sees, and chats in, the sessions it owns and those shared with its
 * tenant. A session and its timeline are changed by the owner, a thread by its creator or the session's
 * owner, a message by its author or the session's owner.
 *
 * @returns undefined if the row doesn't exist or the principal may not see it
 */
export function findTarget(
  tables: Tables,
  principal: Principal,
  mutation: Mutation,
): Target | undefined {
  if (mutation.type === 'insert') return targetOfInsert(tables, principal, mutation)
  const row = tables[mutation.collection].get(keyOf({ ...principal, id: mutation.id }))
  if (row === undefined) return undefined
  const session = visibleSession(tables, principal, 'sessionId' in row ? row.sessionId : row.id)
  if (session === undefined) return undefined
  const permitted = [session.ownerId, makerOf(row)].includes(principal.userId)
  return { permitted, currentVersion: 'version' in row ? row.version : null }
}

function targetOfInsert(
  tables: Tables,
  principal: Principal,
  mutation: Extract<Mutation, { type: 'insert' }>,
): Target | undefined {
  if (mutation.collection === 'sessions') return { permitted: true, currentVersion: null }
  const sessionId =
    mutation.collection === 'chatMessages'
      ? tables.chatThreads.get(keyOf({ ...principal, id: mutation.value.threadId }))?.sessionId
      : mutation.value.sessionId
  const session = sessionId === undefined ? undefined : visibleSession(tables, principal, sessionId)
  if (session === undefined) return undefined
  const isOwner = session.ownerId === principal.userId
  return { permitted: isOwner || mutation.collection !== 'timelineEvents', currentVersion: null }
}

function visibleSession(tables: Tables, principal: Principal, id: string) {
  const session = tables.sessions.get(keyOf({ tenantId: principal.tenantId, id }))
  const isVisible = session?.ownerId === principal.userId || session?.visibility === 'tenant'
  return isVisible ? session : undefined
}

/** The user who may change a row in addition to the session's owner. */
function makerOf(row: Rows[keyof Rows]): string | undefined {
  if ('createdBy' in row) return row.createdBy
  return 'authorId' in row ? row.authorId : undefined
}

type Append = Extract<Mutation, { type: 'append' }>

/** Returns true if the deltas come from the message's writer and are the next ones, or already stored. */
export function mayAppend(tables: Tables, { tenantId }: Principal, mutation: Append): boolean {
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
export function appendDeltas(
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
  for (const [index, { delta, part = null }] of mutation.deltas.entries()) {
    transaction.addDelta({
      tenantId,
      messageId: id,
      seq: mutation.seq + index,
      sessionId: message.sessionId,
      epoch: streamEpoch(message.createdAt),
      delta,
      part,
      createdAt: transaction.now,
    })
  }
  return { collection, type, id, version }
}

function storedAlready(tables: Tables, tenantId: string, { id, seq, deltas }: Append): number {
  return deltas.filter(({ delta, part = null }, index) => {
    const key = deltaKeyOf({ tenantId, messageId: id, seq: seq + index })
    const stored = tables.chatMessageDeltas.get(key)
    return stored?.delta === delta && jsonbText(stored.part) === jsonbText(part)
  }).length
}
