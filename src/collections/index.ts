export type {
  NewMessage,
  NewRow,
  PendingRowWrite,
  SessionActions,
  WriteGuard,
} from './actions.ts'
export type {
  AppShapeName,
  AppShapeParams,
  AppShapeRow,
  AppShapes,
  GetAppShape,
} from './app-shapes.ts'
export type { PendingWrite } from './commit-batch.ts'
export { createId } from './create-id.ts'
export { createSessionCollections } from './create-session-collections.ts'
export type { RowCollection } from './electric.ts'
export type { WriterIdentity } from './optimistic-rows.ts'
export { createOutbox } from './outbox/create-outbox.ts'
export type { Outbox, OutboxEntry, OutboxOptions, OutboxStatus } from './outbox/outbox.ts'
export type { OutboxFailure } from './outbox/outbox-storage.ts'
export type {
  SessionCollections,
  SessionCollectionsOptions,
  SessionScope,
  ThreadScope,
} from './session-collections.ts'
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
