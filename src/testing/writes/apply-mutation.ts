import { type ColumnMap, type Principal, tables as schemaTables } from '../../schema/index.ts'
import { refusal } from '../../server/store/errors.ts'
import type { AppliedMutation, Mutation } from '../../writes/index.ts'
import { completeRow } from '../database/complete-row.ts'
import { keyOf } from '../database/tables.ts'
import type { Transaction } from '../database/transaction.ts'
import { rowText } from '../memory/wire-text.ts'
import type { RowInput, Rows } from '../rows.ts'
import { appendDeltas, mayAppend } from './append-deltas.ts'
import { findTarget } from './find-target.ts'

/**
 * Applies one mutation of a batch, when the default policy admits it.
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

/** The message of the same thread that was sent before under the same `clientMessageId`. */
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

/** A timeline event has no version: an update that changes nothing is not made. */
function differs(collection: Mutation['collection'], old: object, row: object): boolean {
  const { columns } = schemaTables[collection]
  return JSON.stringify(rowText(columns, old)) !== JSON.stringify(rowText(columns, row))
}

/** The row of a mutation that has been admitted. */
function existing(
  { tables }: Transaction,
  { tenantId }: Principal,
  { collection, id }: Extract<Mutation, { type: 'update' | 'delete' }>,
): Rows[typeof collection] {
  return tables[collection].get(keyOf({ tenantId, id })) as Rows[typeof collection]
}
