import { SessionDbError } from '../../errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { OutboxAnswer } from './outbox-queue.ts'
import type { OutboxFailure, OutboxStorage } from './outbox-storage.ts'

/** The answers this page waits for. */
export interface OutboxAnswers {
  /** Resolves when the write is settled. */
  to(batchId: string): Promise<WriteResult>
  isAwaited(batchId: string): boolean
  /** Notes that the write is on the device, so that its absence means it was answered. */
  stored(batchId: string): void
  forget(batchId: string): void
  settle(batchId: string, answer: OutboxAnswer): void
  /**
   * Looks, after a delay, for writes that are no longer stored but were never answered, because the
   * tab that sent them was closed. The server has them.
   */
  lookForLost(): void
}

interface Waiter {
  isStored: boolean
  resolve(result: WriteResult): void
  reject(error: SessionDbError): void
}

/** An answer normally follows the removal of its write from the device immediately. */
const LOST_AFTER_MS = 1_000

/** Creates the answers of one page. */
export function createOutboxAnswers(storage: OutboxStorage): OutboxAnswers {
  const waiters = new Map<string, Waiter>()
  let missingBefore: ReadonlySet<string> = new Set()
  let isPlanned = false

  function settle(batchId: string, answer: OutboxAnswer): void {
    const waiter = waiters.get(batchId)
    if (waiter === undefined) return
    waiters.delete(batchId)
    if ('result' in answer) waiter.resolve(answer.result)
    else waiter.reject(toError(answer.failure))
  }

  function lookForLost(): void {
    if (isPlanned || waiters.size === 0) return
    isPlanned = true
    setTimeout(async () => {
      isPlanned = false
      const asked = [...waiters].filter(([, { isStored }]) => isStored)
      const records = await storage.all().catch(() => undefined)
      if (records === undefined) return
      const stored = new Set(records.map(({ batch }) => batch.id))
      const missing = asked.flatMap(([id]) => (stored.has(id) ? [] : [id]))
      for (const batchId of missing) {
        if (!missingBefore.has(batchId)) continue
        settle(batchId, { result: { batchId, txid: null, mutations: [] } })
      }
      missingBefore = new Set(missing)
      if (missing.length > 0) lookForLost()
    }, LOST_AFTER_MS)
  }

  return {
    to: (batchId) =>
      new Promise((resolve, reject) => waiters.set(batchId, { isStored: false, resolve, reject })),
    isAwaited: (batchId) => waiters.has(batchId),
    stored(batchId) {
      const waiter = waiters.get(batchId)
      if (waiter !== undefined) waiter.isStored = true
    },
    forget: (batchId) => void waiters.delete(batchId),
    settle,
    lookForLost,
  }
}

function toError({ code, message, details }: OutboxFailure): SessionDbError {
  return new SessionDbError(code, message, { details })
}
