export {
  type ChatTransportOptions,
  createChatTransport,
  type SendMessagesOptions,
  type SessionChatTransport,
  type UIMessageInput,
} from './actions/chat-transport.ts'
export type { PendingWrite } from './actions/commit-batch.ts'
export type {
  CollectionHandlers,
  HandlerParams,
  HandlerResult,
  MutationHandler,
  PersistTransaction,
} from './actions/native-mutations.ts'
export type {
  NewMessage,
  NewRow,
  PendingRowWrite,
  SessionActions,
  WriteGuard,
} from './actions/session-actions.ts'
export { type NewStreamedMessage, resumeMessage, streamMessage } from './actions/stream-message.ts'
export type {
  AppShapeName,
  AppShapeParams,
  AppShapeRow,
  AppShapes,
  GetAppShape,
} from './app-shapes.ts'
export * from './assistant-ui/index.ts'
export { createId } from './create-id.ts'
export { createSessionCollections } from './create-session-collections.ts'
export type { WriterIdentity } from './optimistic/optimistic-rows.ts'
export { createOutbox } from './outbox/create-outbox.ts'
export type { Outbox, OutboxEntry, OutboxOptions, OutboxStatus } from './outbox/outbox.ts'
export type { OutboxFailure } from './outbox/outbox-storage.ts'
export * from './own-lists.ts'
export { createPersistence } from './persistence/create-persistence.ts'
export type { Persistence, PersistenceOptions } from './persistence/persistence.ts'
export type {
  MutationHandlers,
  NoShapes,
  SessionCollections,
  SessionCollectionsOptions,
} from './session-collections.ts'
export type {
  InsertOf,
  SessionScope,
  ThreadRef,
  ThreadScope,
  ThreadWindowScope,
} from './sources.ts'
export type { SyncConnection, SyncStatus, SyncStatusStore } from './sync/sync-status.ts'
export type { RowCollection } from './sync/synced-collection.ts'
export {
  type AttachedFile,
  attachFile,
  type FilePart,
  type PendingAttachment,
} from './upload/attach-file.ts'
export { fetchEvent } from './upload/fetch-event.ts'
export {
  type PendingUpload,
  type SessionUpload,
  type UploadProgress,
  uploadSession,
} from './upload/upload-session.ts'
export type {
  ThreadWindow,
  ThreadWindowOptions,
  ThreadWindowState,
} from './windows/thread-window.ts'
export { timelineQuery } from './windows/timeline-query.ts'
export {
  type TimelineView,
  type TimelineViewOptions,
  timelineView,
} from './windows/timeline-view.ts'
