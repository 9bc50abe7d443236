import { onTestFinished } from 'vitest'
import {
  createSessionCollections,
  type SessionCollections,
  type SessionCollectionsOptions,
} from '../../../../src/collections/index.ts'
import type { WriteBatchInput, WriteOutcome } from '../../../../src/writes/index.ts'
import { createHandDrivenShapes, type HandDrivenShapes } from './hand-driven-shapes.ts'
import { ann } from './rows.ts'

/** A write that waits for the test to answer it. */
export interface HeldWrite {
  readonly batch: WriteBatchInput
  answer(outcome: WriteOutcome): void
  fail(error: unknown): void
}

export interface Opened {
  readonly db: SessionCollections
  readonly shapes: HandDrivenShapes
  readonly writes: HeldWrite[]
}

/** Collections over a hand-driven server; stopped when the test is over. */
export function open(options: Partial<SessionCollectionsOptions> = {}): Opened {
  const shapes = createHandDrivenShapes()
  const writes: HeldWrite[] = []
  const db = createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    identity: ann,
    fetchClient: shapes.fetch,
    writeRetries: false,
    writeAdapter: (batch) =>
      new Promise((resolve, reject) => writes.push({ batch, answer: resolve, fail: reject })),
    ...options,
  })
  onTestFinished(() => db.cleanup())
  return { db, shapes, writes }
}

/** The server's answer to a batch: every mutation done, rows in this version. */
export function accepted(batch: WriteBatchInput, txid: number | null, version = 1): WriteOutcome {
  return {
    batchId: batch.id,
    txid,
    mutations: batch.mutations.map((mutation) => ({
      collection: mutation.collection,
      type: mutation.type,
      id: mutation.type === 'insert' ? mutation.value.id : mutation.id,
      version: mutation.type === 'delete' ? null : version,
    })),
  }
}
