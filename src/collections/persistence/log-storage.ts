import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { WriterIdentity } from '../optimistic/optimistic-rows.ts'

/**
 * One response of a shape's log. It is a fact that never changes: `from` this offset of this handle,
 * these messages lead `to` that one. So any tab may store it at any time, and the chunks that follow
 * each other from the start are always a true, if older, state of the shape.
 */
export interface LogChunk {
  readonly handle: string
  readonly from: string
  readonly to: string
  /** Messages as the shape server sent them. */
  readonly body: string
  readonly schema: string
  /** The proxy's digest of the principal, or null if it sends none. */
  readonly principal: string | null
  /** True if the collection held all rows after this chunk. */
  readonly isUpToDate: boolean
  readonly storedAt: Date
}

/** The shape logs of one user on this device. */
export interface LogStorage {
  /** Returns the chunks of a shape's newest log, from the start to where it was last up to date. */
  read(shape: string): Promise<readonly LogChunk[]>
  /** Adds a chunk. The first one of a log replaces the shape's older logs. */
  add(shape: string, chunk: LogChunk): Promise<void>
  /** Replaces the chunks by one that leads to the same place. */
  replace(shape: string, chunks: readonly LogChunk[], folded: LogChunk): Promise<void>
  delete(shape: string): Promise<void>
  clear(): Promise<void>
}

/** The offset at which every log starts. */
export const START = '-1'

/** Change it with the synced columns of a table or what their values mean: older rows are deleted. */
const ROWS_VERSION = 1

const MAX_AGE_MS = 30 * 24 * 60 * 60 * 1_000

interface StoredChunk extends LogChunk {
  readonly user: string
  readonly tenant: string
  readonly version: number
  readonly shape: string
}

interface Schema extends DBSchema {
  chunks: {
    key: [user: string, tenant: string, shape: string, handle: string, from: string]
    value: StoredChunk
    indexes: { storedAt: Date }
  }
}

/**
 * Opens the storage of one user, and deletes what is too old or belongs to another user or version.
 *
 * @param version version of the app's own shapes
 * @throws whatever IndexedDB throws where it is missing or refuses
 */
export async function openLogStorage(
  name: string,
  { tenantId: tenant, userId: user }: WriterIdentity,
  version: number,
): Promise<LogStorage> {
  const database = await openDB<Schema>(name, ROWS_VERSION, {
    upgrade(created) {
      for (const store of created.objectStoreNames) created.deleteObjectStore(store)
      const keyPath = ['user', 'tenant', 'shape', 'handle', 'from']
      created.createObjectStore('chunks', { keyPath }).createIndex('storedAt', 'storedAt')
    },
    // A newer version of the app in another tab may open the storage.
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase | null)?.close(),
  })
  const ofShape = (shape: string) => below(user, tenant, shape)
  let isClean = false
  /** After the first read, which it would delay: IndexedDB runs a read after an earlier write. */
  const cleanUp = () => {
    if (isClean) return
    isClean = true
    deleteForeign(database, user).catch(() => undefined)
  }

  return {
    async read(shape) {
      const stored = await database.getAll('chunks', ofShape(shape))
      cleanUp()
      const chunks = stored.filter((chunk) => chunk.version === version)
      const starts = chunks.filter(({ from }) => from === START)
      const newest = starts.sort((one, other) => Number(other.storedAt) - Number(one.storedAt))[0]
      const log = newest === undefined ? [] : follow(newest, chunks)
      if (log.length === 0 && stored.length > 0) await database.delete('chunks', ofShape(shape))
      return log
    },
    async add(shape, chunk) {
      const transaction = database.transaction('chunks', 'readwrite')
      if (chunk.from === START) void transaction.store.delete(ofShape(shape))
      void transaction.store.put({ ...chunk, user, tenant, version, shape })
      await transaction.done
    },
    async replace(shape, chunks, folded) {
      const transaction = database.transaction('chunks', 'readwrite')
      for (const { handle, from } of chunks) {
        void transaction.store.delete([user, tenant, shape, handle, from])
      }
      void transaction.store.put({ ...folded, user, tenant, version, shape })
      await transaction.done
    },
    delete: (shape) => database.delete('chunks', ofShape(shape)),
    async clear() {
      cleanUp()
      await database.clear('chunks')
    },
  }
}

/** Returns the range of all keys that start with these parts. Lists sort after texts. */
function below(...parts: string[]): IDBKeyRange {
  return IDBKeyRange.bound(parts, [...parts, []])
}

function follow(start: LogChunk, chunks: readonly LogChunk[]): LogChunk[] {
  const byFrom = new Map(
    chunks.filter(({ handle }) => handle === start.handle).map((chunk) => [chunk.from, chunk]),
  )
  const log: LogChunk[] = []
  for (let next: LogChunk | undefined = start; next !== undefined; next = byFrom.get(next.to)) {
    byFrom.delete(next.from)
    log.push(next)
  }
  return log.slice(0, log.findLastIndex(({ isUpToDate }) => isUpToDate) + 1)
}

async function deleteForeign(database: IDBPDatabase<Schema>, user: string): Promise<void> {
  const transaction = database.transaction('chunks', 'readwrite')
  const { store } = transaction
  void store.delete(IDBKeyRange.upperBound([user], true))
  void store.delete(IDBKeyRange.lowerBound([user, []]))
  const tooOld = IDBKeyRange.upperBound(new Date(Date.now() - MAX_AGE_MS))
  for (const key of await store.index('storedAt').getAllKeys(tooOld)) void store.delete(key)
  await transaction.done
}
