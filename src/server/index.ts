export type { Authenticate } from './authenticate.ts'
export { type MigrateOptions, type MigrateResult, migrate } from './migrate.ts'
export { type Migration, migrations } from './migrations/index.ts'
export type { ShapeLogEntry, ShapeLogger } from './shape-proxy/log-entry.ts'
export { createShapeProxy, type ShapeProxyOptions } from './shape-proxy.ts'
export * from './store/index.ts'
export * from './streaming/index.ts'
export {
  type DerivedEvent,
  type DerivedLine,
  deriveTimeline,
  type IngestedSession,
  ingestSessionLog,
  type SessionLog,
  type TimelineEventKind,
  timelineEventId,
} from './timeline/index.ts'
export { type BatchWriter, type ErrorLogger, runWrite } from './write-handler/run-write.ts'
export { createWriteHandler, type WriteHandlerOptions } from './write-handler.ts'
