import type * as z from 'zod/mini'
import type { JsonObject } from '../schema/fields.ts'
import type { timelineEventKindSchema } from '../schema/timeline-event.ts'

export type TimelineEventKind = z.output<typeof timelineEventKindSchema>

/** One event derived from a log, before it belongs to a session. */
export interface DerivedEvent {
  /** Place among the log's events, from 0. */
  readonly seq: number
  readonly kind: TimelineEventKind
  readonly role: string | null
  readonly occurredAt: Date | null
  readonly title: string | null
  /** Preview of the text, at most 4,000 characters and a mark for what was left out. */
  readonly text: string | null
  readonly toolName: string | null
  readonly callId: string | null
  /** `seq` of the event this one belongs to: of a tool's result, its call. */
  readonly parentSeq: number | null
  /**
   * What else the log says, bounded in size, with the physical line number as `line` and, where the
   * event takes up several lines, the last one as `endLine`.
   */
  readonly data: JsonObject
}

/**
 * What a parser found, before it is made fit to store. Anything goes: what is of the wrong type
 * becomes null, long texts are cut, what Postgres cannot store is replaced.
 */
export interface EventDraft {
  readonly kind: TimelineEventKind
  readonly role?: string | undefined
  /** ISO 8601 text, or a `Date`. */
  readonly time?: unknown
  readonly title?: unknown
  readonly text?: string | undefined
  readonly toolName?: unknown
  readonly callId?: unknown
  /** Call id of the tool call this belongs to, where that is not `callId`: a sub-agent's. */
  readonly parentCallId?: unknown
  readonly data?: Readonly<Record<string, unknown>>
  /** Physical line the event starts on; left out, that of the line pushed last. */
  readonly line?: number
  /** Physical line the event ends on, if another one. */
  readonly endLine?: number
  /** That the parser could make no sense of this. Counted, and marked in the event's `data`. */
  readonly unparseable?: boolean
}
