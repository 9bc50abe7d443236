/** The entry `@org/session-db/server`: everything an app's server needs. */

export type { MessageStream, MessageStreamOptions } from './chat/message-stream.ts'
export { type HistoryMessage, toModelMessages } from './chat/model-messages.ts'
export * from './chat/thread-path.ts'
export { type ErrorCode, SessionDbError } from './errors.ts'
export * from './legacy/index.ts'
export * from './ops/index.ts'
export {
  type ChatMessage,
  type ChatMessageInsert,
  type CollectionName,
  type ColumnDefinition,
  type ColumnMap,
  type ColumnType,
  column,
  type JsonObject,
  type JsonValue,
  type Principal,
  type RowOf,
  type SessionInsert,
  type StreamError,
  type StreamState,
  streamStateOf,
  type TimelineEvent,
  toUIMessage,
  type UIMessageLike,
  type WholeEvent,
} from './schema/index.ts'
export * from './server/index.ts'
export * from './shapes/index.ts'
export {
  type Mutation,
  parseWriteBatch,
  type WriteBatch,
  type WriteBatchInput,
} from './writes/batch.ts'
export { fromWriteFailure, toWriteFailure, type WriteFailure } from './writes/errors.ts'
export type { AppliedMutation, WriteOutcome, WriteResult } from './writes/result.ts'
