import type { DerivedTimeline } from './derive-timeline.ts'
import type { DerivedBatch } from './log-reading.ts'

/**
 * Stores a log's batches one after the other, each while the next is derived.
 *
 * @param store is called with a batch once the one before it is stored.
 * @throws what reading the log or `store` throws, when nothing is on its way any more.
 */
export async function storeBatches(
  timeline: DerivedTimeline,
  store: (batch: DerivedBatch) => Promise<void>,
): Promise<void> {
  // One batch is on its way to Postgres while the next is read: its failure is looked at then.
  let onItsWay: Promise<void> = Promise.resolve()
  try {
    for await (const batch of timeline) {
      await onItsWay
      onItsWay = store(batch)
      onItsWay.catch(() => undefined)
    }
  } finally {
    await onItsWay
  }
}
