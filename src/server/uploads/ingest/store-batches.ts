import type { DerivedTimeline } from '../../../timeline/derive-timeline.ts'
import type { DerivedBatch } from '../../../timeline/log-reading.ts'

/** What is done with each batch of a log. */
export interface BatchStore<Prepared> {
  /** Makes of a batch what is sent, while the one before it is on its way. */
  prepare(batch: DerivedBatch): Prepared
  /** Sends it. Called once the one before it is stored. */
  store(prepared: Prepared, batch: DerivedBatch): Promise<void>
}

/**
 * Stores a log's batches one after the other, each while the next is derived and prepared. Each is a
 * statement of its own: a process that hangs between two of them is seen to be idle.
 *
 * @throws what reading the log, `prepare` or `store` throws, when nothing is on its way any more.
 */
export async function storeBatches<Prepared>(
  timeline: DerivedTimeline,
  { prepare, store }: BatchStore<Prepared>,
): Promise<void> {
  // One batch is on its way to Postgres while the next is read: its failure is looked at then.
  let onItsWay: Promise<void> = Promise.resolve()
  try {
    for await (const batch of timeline) {
      const prepared = prepare(batch)
      await onItsWay
      onItsWay = store(prepared, batch)
      onItsWay.catch(() => undefined)
    }
  } finally {
    await onItsWay
  }
}
