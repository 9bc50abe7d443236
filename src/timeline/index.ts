export type { DerivedBatch } from './derive-timeline.ts'
export {
  type DerivedTimeline,
  type DeriveTimelineOptions,
  deriveTimeline,
} from './derive-timeline.ts'
export type { DerivedEvent, EventDraft, TimelineEventKind } from './events.ts'
export type { LogLine } from './lines.ts'
export {
  defineTimelineParser,
  type LogStart,
  type SessionFacts,
  type SessionFormat,
  type TimelineParser,
  type TimelineParserRun,
} from './parser.ts'
export { timelineParsers } from './parsers.ts'
export type { DeriveProgress, TimelineSummary } from './summary.ts'
