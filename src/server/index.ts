export * from '../timeline/index.ts'
export type { Authenticate } from './http/authenticate.ts'
export { type MigrateOptions, type MigrateResult, migrate } from './migrations/migrate.ts'
export type { ShapeLogEntry, ShapeLogger } from './proxy/access-log.ts'
export { createShapeProxy } from './proxy/node-shape-proxy.ts'
export type { Fingerprint } from './proxy/principal-digest.ts'
export type { ShapeHandler, ShapeProxyOptions } from './proxy/shape-proxy.ts'
export type { Upstream } from './proxy/upstream.ts'
export type { Snippet } from './search/query.ts'
export type {
  EventHit,
  EventHits,
  EventSearch,
  MessageHit,
  SearchFacets,
  SearchHits,
  SessionSearch,
} from './search/search.ts'
export type {
  OutlineAgent,
  OutlineMark,
  OutlineRequest,
  TimelineFacet,
  TimelineFacets,
  TimelineOutline,
} from './search/timeline-outline.ts'
export { createShutdown, type ShutdownOptions, type Stoppable } from './shutdown.ts'
export * from './store/index.ts'
export * from './streaming/index.ts'
export type { AgentSession } from './uploads/agent-session.ts'
export type {
  AttachmentState,
  NewAttachment,
  OpenedAttachment,
  SessionAttachments,
} from './uploads/attachments.ts'
export type {
  ByteRange,
  ContentKey,
  ContentSource,
  ContentStore,
} from './uploads/content/content-store.ts'
export type { NewUpload, SessionContent, SessionUploads } from './uploads/create-uploads.ts'
export { type RederiveOptions, rederiveSessions } from './uploads/derivation/rederive.ts'
export type { SessionWorker, SessionWorkerOptions } from './uploads/derivation/worker.ts'
export { createUploadHandler, type UploadHandlerOptions } from './uploads/handler/upload-handler.ts'
export {
  type IngestedSession,
  ingestSessionLog,
  type SessionLog,
} from './uploads/ingest.ts'
export type { UploadLimits, UploadState } from './uploads/upload-state.ts'
export {
  type BatchWriter,
  createWriteHandler,
  runWrite,
  runWrites,
  type WriteHandlerOptions,
} from './write-handler.ts'
