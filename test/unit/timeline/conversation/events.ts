import { createReadStream } from 'node:fs'
import type { TimelineEvent } from '../../../../src/schema/timeline-event.ts'
import type { DerivedEvent } from '../../../../src/timeline/events.ts'
import { deriveLog } from '../derive-log.ts'

/** The event as a client has it. */
function asTimelineEvent({ parentSeq, ...event }: DerivedEvent): TimelineEvent {
  return {
    ...event,
    tenantId: 'acme',
    id: `e${event.seq}`,
    sessionId: 's1',
    parentId: parentSeq === null ? null : `e${parentSeq}`,
    createdAt: new Date(0),
  }
}

/** Creates an event with the given properties. */
export function event(seq: number, changes: Partial<TimelineEvent>): TimelineEvent {
  return {
    ...asTimelineEvent({
      seq,
      kind: 'message',
      role: null,
      occurredAt: null,
      title: null,
      text: null,
      toolName: null,
      callId: null,
      parentSeq: null,
      fold: null,
      data: {},
    }),
    ...changes,
  }
}

/** Derives the events of a log as a client has them. */
export async function eventsOf(path: string): Promise<TimelineEvent[]> {
  const { events } = await deriveLog(createReadStream(path))
  return events.map(asTimelineEvent)
}
