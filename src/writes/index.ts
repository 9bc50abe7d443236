export { sendBatch, type WriteAdapter, type WriteAdapterOptions } from './adapter.ts'
export * from './batch.ts'
export {
  type Mutation,
  type MutationInput,
  parseWriteBatch,
  type WriteBatch,
  type WriteBatchInput,
  writeBatchSchema,
} from './batch.ts'
export {
  type ErrorCode,
  errorStatus,
  fromWriteFailure,
  SessionDbError,
  toWriteFailure,
  type WriteFailure,
} from './errors.ts'
export { createHttpWriteAdapter, type HttpWriteAdapterOptions } from './http-adapter.ts'
export type { RefreshSignIn } from './refresh-sign-in.ts'
export {
  type AppliedMutation,
  type WriteOutcome,
  type WriteResult,
  writeResultSchema,
} from './result.ts'
export { type WriteRetryOptions, withRetries } from './with-retries.ts'
