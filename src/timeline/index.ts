export {
  type DerivedTimeline,
  type DeriveTimelineOptions,
  deriveTimeline,
} from './derive-timeline.ts'
export type { DerivedEvent, EventDraft, TimelineEventKind } from './derived-event.ts'
export { type JsonLinePart, readJsonLine } from './json-line.ts'
export type { LogLine } from './log-lines.ts'
export type { DerivedBatch } from './log-reading.ts'
export { timelineParsers } from './parsers.ts'
export {
  defineTimelineParser,
  type LogStart,
  type SessionFacts,
  type SessionFormat,
  type TimelineParser,
  type TimelineParserRun,
} from './timeline-parser.ts'
export type { DeriveProgress, TimelineSummary } from './timeline-summary.ts'
