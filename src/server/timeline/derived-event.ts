import type { z } from 'zod'
import type { JsonObject } from '../../schema/fields.ts'
import type { timelineEventKindSchema } from '../../schema/timeline-event.ts'

export type TimelineEventKind = z.output<typeof timelineEventKindSchema>

/** One event derived from one line of a log, before it belongs to a session. */
export interface DerivedEvent {
  readonly kind: TimelineEventKind
  readonly role: string | null
  readonly occurredAt: Date | null
  readonly title: string | null
  /** Preview of the text, at most 4,000 characters and a mark for what was left out. */
  readonly text: string | null
  readonly toolName: string | null
  readonly callId: string | null
  /** What else the line says, bounded in size, with its physical line number as `line`. */
  readonly data: JsonObject
}

/** What a line says, before it is made fit to store. */
export interface EventDraft {
  readonly kind: TimelineEventKind
  readonly role?: string | undefined
  readonly title?: unknown
  readonly text?: string | undefined
  readonly toolName?: unknown
  readonly callId?: unknown
  readonly data?: Readonly<Record<string, unknown>>
}
