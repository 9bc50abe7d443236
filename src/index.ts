export type * from './chat/index.ts'
export * from './chat/thread-path.ts'
export * from './collections/actions/chat-transport.ts'
export * from './collections/actions/stream-message.ts'
export * from './collections/assistant-ui/index.ts'
export * from './collections/create-id.ts'
export * from './collections/create-session-collections.ts'
export type * from './collections/index.ts'
export * from './collections/outbox/create-outbox.ts'
export * from './collections/own-lists.ts'
export * from './collections/persistence/create-persistence.ts'
export * from './collections/upload/attach-file.ts'
export * from './collections/upload/fetch-event.ts'
export { uploadSession } from './collections/upload/upload-session.ts'
export * from './collections/windows/timeline-query.ts'
export * from './collections/windows/timeline-view.ts'
export type { ChatMessage, ChatMessageInsert, ChatMessageUpdate } from './schema/chat-message.ts'
export type { ChatThread, ChatThreadInsert, ChatThreadUpdate } from './schema/chat-thread.ts'
export {
  type ColumnDefinition,
  type ColumnMap,
  type ColumnType,
  column,
  type RowOf,
} from './schema/columns.ts'
export type { JsonObject, JsonValue } from './schema/fields.ts'
export type { MessageFeedback, Rating } from './schema/message-feedback.ts'
export type { Principal } from './schema/principal.ts'
export type { Session, SessionInsert, SessionProgress, SessionUpdate } from './schema/session.ts'
export {
  type StreamError,
  type StreamState,
  streamStateOf,
  toUIMessage,
  type UIMessageLike,
} from './schema/streamed-message.ts'
export type { CollectionName } from './schema/tables.ts'
export type { ThreadState } from './schema/thread-state.ts'
export type {
  TimelineEvent,
  TimelineEventInsert,
  TimelineEventUpdate,
  TimelineFilter,
  WholeEvent,
} from './schema/timeline-event.ts'
export * from './shapes/index.ts'
export {
  buildConversation,
  type ConversationOptions,
  type ConversationRow,
  type ConversationRowType,
  type ConversationTurn,
} from './timeline/conversation/build-conversation.ts'
export {
  type DiffHunk,
  type DiffLine,
  type FileDiff,
  fileDiffs,
} from './timeline/conversation/file-diff.ts'
export {
  describeToolCall,
  type ToolAction,
  type ToolOutcome,
  type ToolSummary,
  toolOutcome,
} from './timeline/conversation/tool-call.ts'
export type { WriteAdapter, WriteAdapterOptions } from './writes/adapter.ts'
export {
  type MutationInput,
  parseWriteBatch,
  type WriteBatch,
  type WriteBatchInput,
} from './writes/batch.ts'
export {
  type ErrorCode,
  fromWriteFailure,
  SessionDbError,
  toWriteFailure,
  type WriteFailure,
} from './writes/errors.ts'
export { createHttpWriteAdapter, type HttpWriteAdapterOptions } from './writes/http-adapter.ts'
export type { AppliedMutation, WriteOutcome, WriteResult } from './writes/result.ts'
export type { RefreshSignIn, RequestHeaders } from './writes/sign-in.ts'
export { type WriteRetryOptions, withRetries } from './writes/with-retries.ts'
