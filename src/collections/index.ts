export {
  createId,
  type NewMessage,
  type NewRow,
  type PendingRowWrite,
  type SessionActions,
  type WriteGuard,
} from './actions.ts'
export type {
  AppShapeName,
  AppShapeParams,
  AppShapeRow,
  AppShapes,
  GetAppShape,
} from './app-shapes.ts'
export type { PendingWrite } from './commit-batch.ts'
export {
  createSessionCollections,
  type SessionCollections,
  type SessionCollectionsOptions,
  type SessionScope,
  type ThreadScope,
} from './create-session-collections.ts'
export type { RowCollection } from './electric.ts'
export type { WriterIdentity } from './optimistic-rows.ts'
export {
  createOutbox,
  type Outbox,
  type OutboxEntry,
  type OutboxFailure,
  type OutboxOptions,
  type OutboxStatus,
} from './outbox/create-outbox.ts'
export type { NewStreamedMessage, StreamActions } from './stream-actions.ts'
export type { SyncConnection, SyncStatus, SyncStatusStore } from './sync-status.ts'
export { timelineQuery } from './timeline/timeline-query.ts'
export type { TimelineView, TimelineViewOptions } from './timeline/timeline-view.ts'
export type {
  PendingUpload,
  SessionUpload,
  UploadOptions,
  UploadProgress,
} from './upload/upload-session.ts'
