import { createTransaction, type PendingMutation, type Transaction } from '@tanstack/db'

/** Rows shown before the server has confirmed them. */
export interface OptimisticOverlay {
  /** Removes them, so that the synced rows show again. */
  drop(): void
}

/**
 * The transaction that shows the rows of successive overlays. For each optimistic change, TanStack DB walks
 * all pending transactions of the collection several times; 500 writes in one transaction cost half as much as in 500.
 */
interface Carrier {
  readonly transaction: Transaction
  /** The collections that show it. */
  readonly collections: ReadonlySet<unknown>
  /** Sequence number of the last transaction that it stands for. */
  sequenceNumber: number
  /** Completes the transaction. */
  end(): void
}

let newest: Carrier | undefined

/**
 * Shows the changes that `change` makes to collections until they are dropped.
 *
 * This module is the only place that depends on how TanStack DB holds optimistic state. A carrier always
 * completes and is never rolled back: either way its rows give way to the synced ones, but a
 * rollback would also roll back uncommitted transactions on the same rows.
 *
 * @throws whatever `change` throws; then nothing stays visible
 */
export function showOptimistic(change: () => void): OptimisticOverlay {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const transaction = createTransaction({ mutationFn: () => ended })
  // Done by `touchSoon` for several overlays together.
  transaction.touchCollection = () => {}
  isShowing = true
  try {
    transaction.mutate(change)
  } catch (error) {
    const overlay = overlayOf(transaction.mutations, carrierOf(transaction, end))
    void transaction.commit()
    overlay.drop()
    throw error
  } finally {
    isShowing = false
  }
  const mutations = [...transaction.mutations]
  if (newest === undefined || !canCarry(newest, transaction)) {
    newest = carrierOf(transaction, end)
    return overlayOf(mutations, newest)
  }
  newest.transaction.mutations.push(...transaction.mutations.splice(0))
  newest.sequenceNumber = transaction.sequenceNumber
  end()
  return overlayOf(mutations, newest)
}

let isShowing = false

/** Returns true during `showOptimistic`: the rows written are the library's own. */
export function isShowingOptimistic(): boolean {
  return isShowing
}

function carrierOf(transaction: Transaction, end: () => void): Carrier {
  const collections = new Set(transaction.mutations.map(({ collection }) => collection))
  return { transaction, collections, sequenceNumber: transaction.sequenceNumber, end }
}

/**
 * Checks that no other transaction was created in between, whose changes to the same rows go on top, and
 * that each collection shows the carrier already.
 */
function canCarry(carrier: Carrier, { sequenceNumber, mutations }: Transaction): boolean {
  return (
    carrier.transaction.state === 'persisting' &&
    sequenceNumber === carrier.sequenceNumber + 1 &&
    mutations.every(({ collection }) => carrier.collections.has(collection))
  )
}

function overlayOf(mutations: readonly PendingMutation[], carrier: Carrier): OptimisticOverlay {
  return {
    drop() {
      for (const mutation of mutations) dropped.add(mutation)
      dropSoon(carrier)
    },
  }
}

const dropped = new Set<PendingMutation>()
const due = new Set<Carrier>()

/**
 * A collection recomputes its optimistic rows from all pending transactions whenever rows of one are dropped.
 * When an outbox drains, hundreds are dropped in one turn: this recomputes once for all of them.
 */
function dropSoon(carrier: Carrier): void {
  due.add(carrier)
  if (due.size > 1) return
  queueMicrotask(() => {
    const carriers = [...due]
    const gone = [...dropped]
    due.clear()
    for (const { transaction, end } of carriers) {
      const { mutations } = transaction
      mutations.splice(0, mutations.length, ...mutations.filter((one) => !dropped.has(one)))
      if (mutations.length > 0) continue
      end()
      if (newest?.transaction === transaction) newest = undefined
    }
    dropped.clear()
    const touched = new Map(gone.map((mutation) => [mutation.collection, mutation]))
    const [first] = carriers
    if (first === undefined) return
    const { touchCollection } = Object.getPrototypeOf(first.transaction) as Transaction
    touchCollection.call(
      Object.create(first.transaction, {
        mutations: { value: [...touched.values()] },
      }) as Transaction,
    )
  })
}
