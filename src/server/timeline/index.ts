export { type DerivedLine, deriveTimeline } from './derive-timeline.ts'
export type { DerivedEvent, TimelineEventKind } from './derived-event.ts'
export { type IngestedSession, ingestSessionLog, type SessionLog } from './ingest-session-log.ts'
export { timelineEventId } from './insert-events.ts'
