import { createTransaction, type Transaction } from '@tanstack/db'

/** Rows shown before the server has confirmed them. */
export interface OptimisticOverlay {
  /** Takes them away: what the stream has brought shows from then on. */
  drop(): void
}

/**
 * Shows the changes that `change` makes to collections, at once, until dropped.
 *
 * The one place that knows how TanStack DB 0.9 holds optimistic state. A transaction here always
 * completes and is never rolled back: either way its rows give place to the synced ones, but a
 * rollback would take along every other pending write to the same row, and stay in memory.
 *
 * @throws whatever `change` throws; then nothing stays visible
 */
export function showOptimistic(change: () => void): OptimisticOverlay {
  let drop = () => {}
  const dropped = new Promise<void>((resolve) => {
    drop = resolve
  })
  const transaction = createTransaction({ mutationFn: () => dropped })
  transaction.touchCollection = () => touchSoon(transaction)
  try {
    transaction.mutate(change)
  } catch (error) {
    drop()
    void transaction.commit()
    throw error
  }
  return { drop }
}

const touched = new Set<Transaction>()

/**
 * A collection puts its optimistic rows together anew for every transaction that ends, from all that
 * are pending. Hundreds end at once when an outbox drains: once for all of them is enough.
 */
function touchSoon(transaction: Transaction): void {
  touched.add(transaction)
  if (touched.size > 1) return
  queueMicrotask(() => {
    const done = new Set<unknown>()
    const due = [...touched]
    touched.clear()
    for (const { mutations, touchCollection } of due.map(untouched)) {
      if (mutations.every(({ collection }) => done.has(collection))) continue
      for (const { collection } of mutations) done.add(collection)
      touchCollection()
    }
  })
}

function untouched(transaction: Transaction) {
  const { touchCollection } = Object.getPrototypeOf(transaction) as Transaction
  return {
    mutations: transaction.mutations,
    touchCollection: () => touchCollection.call(transaction),
  }
}
