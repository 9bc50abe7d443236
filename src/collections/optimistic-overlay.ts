import { createTransaction } from '@tanstack/db'

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
  try {
    transaction.mutate(change)
  } catch (error) {
    drop()
    void transaction.commit()
    throw error
  }
  return { drop }
}
