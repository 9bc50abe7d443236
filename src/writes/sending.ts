/** What takes a write to the server: a part of its own, as no page needs it to show something. */
export { sendBatch } from './adapter.ts'
export { parseWriteBatch } from './batch.ts'
export { withRetries } from './with-retries.ts'
