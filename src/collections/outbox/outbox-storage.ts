import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from 'idb'
import type { ErrorCode } from '../../errors.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'

/** Why the server refused a write permanently. */
export interface OutboxFailure {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * Writes that are sent as one batch. Stored before the first attempt and kept until there is an
 * answer, so that a retry sends the same batch.
 */
export interface OutboxGroup {
  /** The batch's id. */
  readonly id: string
  /** The `n` of each, oldest first. */
  readonly members: readonly number[]
}

/** A stored write. */
export interface OutboxRecord {
  /** Orders the writes of all tabs. */
  readonly n: number
  readonly batch: WriteBatchInput
  /** Sessions of threads, as far as the writer passed them. */
  readonly sessionOfThread: Readonly<Record<string, string>>
  readonly addedAt: Date
  /** Set in the oldest record of a group. */
  readonly group?: OutboxGroup
  readonly failure?: OutboxFailure
}

/** A write to store. */
export type NewRecord = Omit<OutboxRecord, 'n'>

/** The stored writes of one user on this device. */
export interface OutboxStorage {
  /** Adds a record. The records of one turn are stored in one transaction, in order. */
  add(record: NewRecord): Promise<void>
  /** Returns all records, oldest first. */
  all(): Promise<OutboxRecord[]>
  /** Returns at most `limit` records that were not refused, oldest first, with `n` greater than `after`. */
  waiting(limit: number, after?: number): Promise<OutboxRecord[]>
  count(): Promise<{ readonly waiting: number; readonly failed: number }>
  put(records: readonly OutboxRecord[]): Promise<void>
  delete(records: readonly OutboxRecord[]): Promise<void>
  /** Deletes everything, for a sign-out. */
  clear(): Promise<void>
}

interface Schema extends DBSchema {
  records: { key: number; value: OutboxRecord; indexes: { failed: ErrorCode } }
}

/**
 * Opens the storage of this name. IndexedDB is first accessed when the storage is used. Where it is
 * missing (on a server, in some private windows) or refuses, records are kept in memory, with a warning.
 *
 * @example
 * const storage = openOutboxStorage('session-db-outbox/["acme","ann"]')
 */
export function openOutboxStorage(name: string): OutboxStorage {
  let opened: Promise<OutboxStorage> | undefined
  const storage = () => {
    opened ??= openDatabase(name).then(
      (database) => createDatabaseStorage(name, database),
      (cause: unknown) => {
        console.warn(
          'session-db: IndexedDB is not available, so the outbox keeps writes in memory. They do not survive a reload.',
          cause,
        )
        return createMemoryStorage()
      },
    )
    return opened
  }
  return {
    add: async (record) => (await storage()).add(record),
    all: async () => (await storage()).all(),
    waiting: async (limit, after) => (await storage()).waiting(limit, after),
    count: async () => (await storage()).count(),
    put: async (records) => (await storage()).put(records),
    delete: async (records) => (await storage()).delete(records),
    clear: async () => (await storage()).clear(),
  }
}

async function openDatabase(name: string): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>(name, 1, {
    upgrade(created) {
      const store = created.createObjectStore('records', { keyPath: 'n', autoIncrement: true })
      // Contains only refused records, since others have no failure.
      store.createIndex('failed', 'failure.code')
    },
  })
}

function createMemoryStorage(): OutboxStorage {
  const records = new Map<number, OutboxRecord>()
  const isWaiting = ({ failure }: OutboxRecord) => failure === undefined
  let last = 0
  return {
    async add(record) {
      last += 1
      records.set(last, { ...record, n: last })
    },
    all: async () => [...records.values()],
    waiting: async (limit, after = 0) =>
      [...records.values()]
        .filter((record) => record.n > after && isWaiting(record))
        .slice(0, limit),
    async count() {
      const waiting = [...records.values()].filter(isWaiting).length
      return { waiting, failed: records.size - waiting }
    },
    async put(changed) {
      for (const record of changed) records.set(record.n, record)
    },
    async delete(gone) {
      for (const { n } of gone) records.delete(n)
    },
    clear: async () => records.clear(),
  }
}

function createDatabaseStorage(name: string, database: IDBPDatabase<Schema>): OutboxStorage {
  return {
    add: combine(async (records: readonly NewRecord[]) => {
      const transaction = database.transaction('records', 'readwrite')
      const asked: Promise<unknown>[] = [transaction.done]
      try {
        for (const record of records) asked.push(transaction.store.add(record as OutboxRecord))
        await Promise.all(asked)
      } catch (error) {
        // A record that cannot be cloned does not abort the transaction by itself.
        void Promise.allSettled(asked)
        abort(transaction)
        throw error
      }
    }),
    all: () => database.getAll('records'),
    async waiting(limit, after = Number.NEGATIVE_INFINITY) {
      const transaction = database.transaction('records')
      const failed = await transaction.store.index('failed').count()
      const oldest = await transaction.store.getAll(
        IDBKeyRange.lowerBound(after, true),
        limit + failed,
      )
      return oldest.filter(({ failure }) => failure === undefined).slice(0, limit)
    },
    async count() {
      const { store } = database.transaction('records')
      const [all, failed] = await Promise.all([store.count(), store.index('failed').count()])
      return { waiting: all - failed, failed }
    },
    async put(records) {
      const transaction = database.transaction('records', 'readwrite')
      for (const record of records) void transaction.store.put(record)
      await transaction.done
    },
    async delete(records) {
      const transaction = database.transaction('records', 'readwrite')
      for (const key of keysOf(records)) void transaction.store.delete(key)
      await transaction.done
    },
    async clear() {
      database.close()
      await deleteDB(name)
    },
  }
}

function abort(transaction: { abort(): void }): void {
  try {
    transaction.abort()
  } catch {
    // It has already ended.
  }
}

/** Returns one key range if the keys are consecutive, which deletes hundreds in one request. */
function keysOf(records: readonly OutboxRecord[]): (number | IDBKeyRange)[] {
  const [first, last] = [records[0], records.at(-1)]
  if (first === undefined || last === undefined) return []
  const isRange = last.n - first.n === records.length - 1
  return isRange ? [IDBKeyRange.bound(first.n, last.n)] : records.map(({ n }) => n)
}

/**
 * Combines the items of one turn into one call of `work`. If that fails, each item is tried on its
 * own, so that one that is too large doesn't fail the others.
 *
 * @param work processes all items or none
 * @returns a function that adds an item, and rejects if that item fails
 */
function combine<Item>(
  work: (items: readonly Item[]) => Promise<void>,
): (item: Item) => Promise<void> {
  let asked: Item[] = []
  let together: Promise<void> | undefined
  async function run(): Promise<void> {
    const items = asked
    asked = []
    together = undefined
    await work(items)
  }
  return async (item) => {
    asked.push(item)
    together ??= Promise.resolve().then(run)
    const mine = together
    const others = asked
    try {
      await mine
    } catch (error) {
      if (others.length === 1) throw error
      await work([item])
    }
  }
}
