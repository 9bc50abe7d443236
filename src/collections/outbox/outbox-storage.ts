import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from 'idb'
import type { ErrorCode } from '../../errors.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import { inOneGo } from './in-one-go.ts'

/** Why a write was refused for good. */
export interface OutboxFailure {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * Writes that are sent as one batch. Stored before the first try and kept until there is an answer:
 * so one that is sent again is the same batch.
 */
export interface OutboxGroup {
  /** The batch's id. */
  readonly id: string
  /** The `n` of each, oldest first. */
  readonly members: readonly number[]
}

/** A write in the outbox, as it is stored. */
export interface OutboxRecord {
  /** Orders the writes of all tabs. */
  readonly n: number
  readonly batch: WriteBatchInput
  /** Sessions of threads, as far as the writer knew them. */
  readonly sessionOfThread: Readonly<Record<string, string>>
  readonly addedAt: Date
  /** Set in the oldest of those that are sent together. */
  readonly group?: OutboxGroup
  readonly failure?: OutboxFailure
}

/** A write that is to be stored. */
export type NewRecord = Omit<OutboxRecord, 'n'>

/** The writes of one principal that wait on this device. */
export interface OutboxStorage {
  /** Those of one turn are stored in one transaction, in the order they were given. */
  add(record: NewRecord): Promise<void>
  /** All of them, oldest first. */
  all(): Promise<OutboxRecord[]>
  /** Those that have not been refused, oldest first: as many as `limit`, those after `n` only. */
  waiting(limit: number, after?: number): Promise<OutboxRecord[]>
  count(): Promise<{ readonly waiting: number; readonly failed: number }>
  put(records: readonly OutboxRecord[]): Promise<void>
  delete(records: readonly OutboxRecord[]): Promise<void>
  close(): Promise<void>
}

interface Schema extends DBSchema {
  records: { key: number; value: OutboxRecord; indexes: { failed: ErrorCode } }
}

/**
 * Opens the storage of this name. Nothing is asked of IndexedDB before it is used.
 *
 * @example
 * const storage = openOutboxStorage('session-db-outbox/["acme","ann"]')
 */
export function openOutboxStorage(name: string): OutboxStorage {
  let opened: Promise<IDBPDatabase<Schema>> | undefined
  const database = () => {
    opened ??= openDB<Schema>(name, 1, {
      upgrade(created) {
        const store = created.createObjectStore('records', { keyPath: 'n', autoIncrement: true })
        // Holds only those that were refused.
        store.createIndex('failed', 'failure.code')
      },
    })
    return opened
  }
  return {
    add: inOneGo(async (records: readonly NewRecord[]) => {
      const transaction = (await database()).transaction('records', 'readwrite')
      const asked: Promise<unknown>[] = [transaction.done]
      try {
        for (const record of records) asked.push(transaction.store.add(record as OutboxRecord))
        await Promise.all(asked)
      } catch (error) {
        // One that cannot even be copied ends no transaction by itself.
        void Promise.allSettled(asked)
        abort(transaction)
        throw error
      }
    }),
    all: async () => (await database()).getAll('records'),
    async waiting(limit, after = Number.NEGATIVE_INFINITY) {
      const transaction = (await database()).transaction('records')
      const failed = await transaction.store.index('failed').count()
      const oldest = await transaction.store.getAll(
        IDBKeyRange.lowerBound(after, true),
        limit + failed,
      )
      return oldest.filter(({ failure }) => failure === undefined).slice(0, limit)
    },
    async count() {
      const { store } = (await database()).transaction('records')
      const [all, failed] = await Promise.all([store.count(), store.index('failed').count()])
      return { waiting: all - failed, failed }
    },
    async put(records) {
      const transaction = (await database()).transaction('records', 'readwrite')
      for (const record of records) void transaction.store.put(record)
      await transaction.done
    },
    async delete(records) {
      const transaction = (await database()).transaction('records', 'readwrite')
      for (const key of keysOf(records)) void transaction.store.delete(key)
      await transaction.done
    },
    async close() {
      ;(await opened)?.close()
    },
  }
}

function abort(transaction: { abort(): void }): void {
  try {
    transaction.abort()
  } catch {
    // It has ended already.
  }
}

/** One range where there is nothing in between: hundreds go at once. */
function keysOf(records: readonly OutboxRecord[]): (number | IDBKeyRange)[] {
  const [first, last] = [records[0], records.at(-1)]
  if (first === undefined || last === undefined) return []
  const isRange = last.n - first.n === records.length - 1
  return isRange ? [IDBKeyRange.bound(first.n, last.n)] : records.map(({ n }) => n)
}

/** Removes what is stored under a name, for a sign-out. */
export function deleteOutboxStorage(name: string): Promise<void> {
  return deleteDB(name)
}
