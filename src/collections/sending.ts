/** What takes a write to the server and sees it back: a part of its own, as no page shows something by it. */
export { sendBatch } from '../writes/adapter.ts'
export { parseWriteBatch } from '../writes/batch.ts'
export { withRetries } from '../writes/with-retries.ts'
export { confirmWrite } from './confirm-write.ts'
export { confirmTxid } from './sync-timeout.ts'
