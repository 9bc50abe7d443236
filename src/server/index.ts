export type { Authenticate } from './authenticate.ts'
export type { ByteRange, ContentKey, ContentSource, ContentStore } from './content/content-store.ts'
export type { SessionWorker, SessionWorkerOptions } from './derivation/worker.ts'
export { type MigrateOptions, type MigrateResult, migrate } from './migrate.ts'
export { type Migration, migrations } from './migrations/index.ts'
export { createShapeProxy } from './node-shape-proxy.ts'
export type { EventHit, EventHits, EventSearch } from './search/search-events.ts'
export type { Snippet } from './search/snippet.ts'
export type {
  OutlineRequest,
  TimelineFacet,
  TimelineFacets,
  TimelineOutline,
} from './search/timeline-outline.ts'
export type { ShapeLogEntry, ShapeLogger } from './shape-proxy/log-entry.ts'
export type { Fingerprint } from './shape-proxy/principal-digest.ts'
export type { ShapeProxyOptions } from './shape-proxy.ts'
export * from './store/index.ts'
export * from './streaming/index.ts'
export * from './timeline/index.ts'
export type { NewUpload, SessionUploads } from './upload/create-uploads.ts'
export type { SessionContent } from './upload/open-content.ts'
export { defaultUploadLimits, type UploadLimits } from './upload/upload-context.ts'
export type { UploadState } from './upload/upload-state.ts'
export { createUploadHandler, type UploadHandlerOptions } from './upload-handler.ts'
export { type BatchWriter, type ErrorLogger, runWrite } from './write-handler/run-write.ts'
export { createWriteHandler, type WriteHandlerOptions } from './write-handler.ts'
