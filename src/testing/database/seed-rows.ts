import type { CollectionName, Principal } from '../../schema/index.ts'
import type { RowInput, RowInputs, Rows } from '../rows.ts'
import { completeRow } from './complete-row.ts'
import type { MemoryDatabase } from './memory-database.ts'
import { keyOf } from './tables.ts'
import type { Transaction } from './transaction.ts'

/**
 * Puts the first rows in. Threads count their messages, but a row that has just been put in has the
 * version and the counters it was given.
 *
 * @throws SessionDbError `invalid` for a row that the database would not take
 */
export function seedRows(database: MemoryDatabase, rows: RowInputs, principal: Principal): void {
  database.transaction((transaction) => {
    insertAll(transaction, 'sessions', rows.sessions, principal)
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

function restoreThread(
  { tables, load }: Transaction,
  given: RowInput<'chatThreads'>,
  { tenantId, id, version, updatedAt }: Rows['chatThreads'],
): void {
  const counted = tables.chatThreads.get(keyOf({ tenantId, id }))
  if (counted === undefined) return
  const { messageCount, lastPosition, lastMessageAt, lastMessagePreview } = given
  const counters = { messageCount, lastPosition, lastMessageAt, lastMessagePreview }
  const said = Object.fromEntries(
    Object.entries(counters).filter(([, value]) => value !== undefined),
  )
  load('chatThreads', { ...counted, ...said, version, updatedAt })
}
