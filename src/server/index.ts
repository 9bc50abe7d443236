export * from '../timeline/index.ts'
export * from '../timeline/index.ts'
export type { Authenticate } from './http/authenticate.ts'
export { type Migration, migrations } from './migrations/index.ts'
export { type MigrateOptions, type MigrateResult, migrate } from './migrations/migrate.ts'
export type { ShapeLogEntry, ShapeLogger } from './proxy/access-log.ts'
export { createShapeProxy } from './proxy/node-shape-proxy.ts'
export type { Fingerprint } from './proxy/principal-digest.ts'
export type { ShapeProxyOptions } from './proxy/shape-proxy.ts'
export type { EventHit, EventHits, EventSearch } from './search/search-events.ts'
export type { Snippet } from './search/snippet.ts'
export type {
  OutlineRequest,
  TimelineFacet,
  TimelineFacets,
  TimelineOutline,
} from './search/timeline-outline.ts'
export * from './store/index.ts'
export * from './streaming/index.ts'
export type {
  ByteRange,
  ContentKey,
  ContentSource,
  ContentStore,
} from './uploads/content/content-store.ts'
export type { NewUpload, SessionUploads } from './uploads/create-uploads.ts'
export type { SessionWorker, SessionWorkerOptions } from './uploads/derivation/worker.ts'
export {
  type IngestedSession,
  ingestSessionLog,
  type SessionLog,
} from './uploads/ingest/ingest-session-log.ts'
export { timelineEventId } from './uploads/ingest/insert-events.ts'
export { type EventSession, persistTimeline } from './uploads/ingest/persist-timeline.ts'
export type { SessionContent } from './uploads/open-content.ts'
export { defaultUploadLimits, type UploadLimits } from './uploads/upload-context.ts'
export { createUploadHandler, type UploadHandlerOptions } from './uploads/upload-handler.ts'
export type { UploadState } from './uploads/upload-state.ts'
export { type BatchWriter, type ErrorLogger, runWrite } from './write-handler/run-write.ts'
export { createWriteHandler, type WriteHandlerOptions } from './write-handler/write-handler.ts'
