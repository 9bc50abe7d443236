import { timelineEventInsertSchema } from '../../../src/schema/timeline-event.ts'
import { timelineEventId } from '../../../src/server/uploads/derivation/events.ts'
import type { DerivedEvent } from '../../../src/timeline/index.ts'

/** A lone surrogate or U+0000, as JSON writes them. */
const NOT_STORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/** Fails unless the database takes the event as it is, and it is not larger than an event may be. */
export function expectStorable({ parentSeq, ...event }: DerivedEvent): void {
  const parentId = parentSeq === null ? null : timelineEventId('s', parentSeq)
  const row = { ...event, id: timelineEventId('s', event.seq), sessionId: 's', parentId }
  const told = timelineEventInsertSchema.safeParse(row)
  if (told.error) throw told.error
  const json = JSON.stringify(event)
  if (NOT_STORABLE.test(json)) throw new Error(`Postgres cannot store ${json.slice(0, 1_000)}`)
  if (json.length > 120_000) throw new Error(`The event has ${json.length} characters.`)
  if ((event.text?.length ?? 0) > 4_050) throw new Error('The text is not bounded.')
  if ((event.title?.length ?? 0) > 350) throw new Error('The title is not bounded.')
}
