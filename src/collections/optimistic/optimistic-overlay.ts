import { createTransaction, type Transaction } from '@tanstack/db'

/** Rows shown before the server has confirmed them. */
export interface OptimisticOverlay {
  /** Removes them, so that the synced rows show again. */
  drop(): void
}

/**
 * Shows the changes that `change` makes to collections until they are dropped.
 *
 * The only place that depends on how TanStack DB 0.9 holds optimistic state. The transaction here
 * always completes and is never rolled back: either way its rows give way to the synced ones, but a
 * rollback would also roll back uncommitted transactions on the same rows.
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
  isShowing = true
  try {
    transaction.mutate(change)
  } catch (error) {
    drop()
    void transaction.commit()
    throw error
  } finally {
    isShowing = false
  }
  return { drop }
}

let isShowing = false

/** Returns true during `showOptimistic`: the rows written are the library's own. */
export function isShowingOptimistic(): boolean {
  return isShowing
}

const touched = new Set<Transaction>()

/**
 * A collection recomputes its optimistic rows from all pending transactions whenever one of them
 * ends. When an outbox drains, hundreds end in one turn: this recomputes once for all of them.
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
