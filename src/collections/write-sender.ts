import type { WriteAdapter } from '../writes/adapter.ts'
import type { WriteBatchInput } from '../writes/batch.ts'
import type { WriteResult } from '../writes/result.ts'
import type { WriteRetryOptions } from '../writes/with-retries.ts'
import { createPart, loadPatiently, type Part, prefetch } from './part.ts'

type Sending = typeof import('./sending.ts')

/** What sends writes: loaded once for all collections of a page. */
export const sendingPart: Part<Sending> = /* @__PURE__ */ createPart(
  'What sends writes',
  () => import('./sending.ts'),
)

/** Takes batches to the server. */
export interface WriteSender {
  /**
   * Checks a batch where that can be done at once: from the time when what sends is loaded. One that
   * comes earlier is checked before it is sent.
   *
   * @throws SessionDbError `invalid`
   */
  check(batch: WriteBatchInput): void
  /**
   * Checks a batch as soon as what sends is loaded.
   *
   * @throws SessionDbError `invalid`, or `unavailable` when it cannot be loaded
   */
  checkLater(batch: WriteBatchInput): Promise<void>
  /**
   * Checks a batch that could not be checked before, and sends it, with retries.
   *
   * @throws SessionDbError why the server refuses, or `unavailable`
   */
  send(batch: WriteBatchInput): Promise<WriteResult>
  /** Sends a batch without retries. */
  sendOnce(batch: WriteBatchInput): Promise<WriteResult>
  /**
   * What sends, for what comes after a write has been sent.
   *
   * @throws SessionDbError `unavailable` when it cannot be loaded
   */
  loaded(): Promise<Sending>
}

/**
 * Creates what sends the writes of one page. It is loaded at once, beside what the page shows first.
 *
 * @param retries false for none
 */
export function createWriteSender(
  adapter: WriteAdapter,
  retries: WriteRetryOptions | false | undefined,
): WriteSender {
  prefetch(sendingPart)

  const retrying = ({ withRetries }: Sending) =>
    retries === false ? adapter : withRetries(adapter, retries)

  const loaded = () => loadPatiently(sendingPart)

  async function checked(batch: WriteBatchInput): Promise<Sending> {
    const sending = await loaded()
    sending.parseWriteBatch(batch)
    return sending
  }

  /** In this turn if it can be: whoever sees the row on the screen may close the page in the next. */
  function sendBy(
    adapterOf: (sending: Sending) => WriteAdapter,
    batch: WriteBatchInput,
  ): Promise<WriteResult> {
    const send = (sending: Sending) => sending.sendBatch(adapterOf(sending), batch)
    const sending = sendingPart.now()
    return sending === undefined ? checked(batch).then(send) : send(sending)
  }

  return {
    check: (batch) => void sendingPart.now()?.parseWriteBatch(batch),
    checkLater: async (batch) => void (await checked(batch)),
    send: (batch) => sendBy(retrying, batch),
    sendOnce: (batch) => sendBy(() => adapter, batch),
    loaded,
  }
}
