export { LogError } from './content.ts'
export type { DerivedBatch } from './derive-timeline.ts'
export {
  type DerivedTimeline,
  type DeriveTimelineOptions,
  deriveTimeline,
  type EventAmendment,
} from './derive-timeline.ts'
export type { Amendment, DerivedEvent, EventDraft, Fold, TimelineEventKind } from './events.ts'
export type { LogLine } from './lines.ts'
export {
  defineTimelineParser,
  type LogStart,
  type SessionFacts,
  type TimelineParser,
  type TimelineParserRun,
} from './parser.ts'
export { timelineParsers } from './parsers.ts'
export { type FindSecrets, type FoundSecret, findSecrets } from './secrets.ts'
export type { DeriveProgress, TimelineSummary } from './summary.ts'
export type { TokenUsage } from './usage.ts'
