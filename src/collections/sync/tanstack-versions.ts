// The differences between the versions of TanStack DB that this library works with: 0.9.2, which
// `@tanstack/electric-db-collection` pins, up to 0.15.

/**
 * Makes synced rows show while a write is pending. TanStack DB holds them back until no write of the
 * collection is pending, so one slow write would freeze the changes of other users. The pending
 * write's own rows stay on top either way.
 *
 * Up to version 0.11 it is an option of `begin`. Later versions ask the method overridden here.
 */
export function showWhilePending<Params extends SyncParams>(params: Params): Params {
  const state = params.collection._state as { hasPersistingTransaction?: () => boolean }
  if (state.hasPersistingTransaction) state.hasPersistingTransaction = () => false
  const begin = params.begin as (options: { readonly immediate: boolean }) => void
  return { ...params, begin: () => begin({ immediate: true }) }
}

interface SyncParams {
  readonly collection: { readonly _state: object }
  readonly begin: () => void
}

/** Settles as the transaction does: rejects when it is rolled back. `when` replaces `isPersisted` from version 0.11 on. */
export function untilSettled(transaction: {
  readonly isPersisted: { readonly promise: Promise<unknown> }
  readonly when?: (state: 'settled') => Promise<unknown>
}): Promise<unknown> {
  return transaction.when?.('settled') ?? transaction.isPersisted.promise
}

/** Returns the inserted and updated rows that are not synced yet, without looking at the others. */
export function optimisticRows<Row extends object>(collection: {
  readonly _state: { readonly optimisticUpserts: ReadonlyMap<string, Row> }
}): Iterable<Row> {
  return collection._state.optimisticUpserts.values()
}

/**
 * Makes a collection hold its rows in the render that first reads it, on a server and when a page is hydrated.
 * In the newest version a live query leaves its collections idle until its component has mounted.
 */
export function startWhenRead(collection: {
  subscribeChanges: (...args: never[]) => unknown
  startSyncImmediate: () => void
}): void {
  const subscribe = collection.subscribeChanges.bind(collection)
  collection.subscribeChanges = (...args) => {
    collection.startSyncImmediate()
    return subscribe(...args)
  }
}
