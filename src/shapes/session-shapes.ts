import { z } from 'zod'
import { chatMessageColumns } from '../schema/chat-message.ts'
import { chatMessageDeltaColumns } from '../schema/chat-message-delta.ts'
import { chatThreadColumns } from '../schema/chat-thread.ts'
import { syncedColumnNames } from '../schema/columns.ts'
import { idField } from '../schema/fields.ts'
import type { Principal } from '../schema/principal.ts'
import { sessionColumns } from '../schema/session.ts'
import { timelineEventColumns } from '../schema/timeline-event.ts'
import { and, type Condition, equals, inRange, isIn, or } from './condition.ts'
import { defineShape } from './define-shape.ts'

/** Most events that one window of a timeline may span. */
export const MAX_WINDOW_EVENTS = 10_000
const MAX_SEQ = 2_147_483_647

function visibleSessions(principal: Principal): Condition {
  return and(
    equals('tenant_id', principal.tenantId),
    or(equals('owner_id', principal.userId), equals('visibility', 'tenant')),
  )
}

/**
 * Rows of one session or thread, while the session is visible. The tenant is compared twice:
 * `tenant_id = const` is what Electric indexes, and the inner query stands on its own.
 */
function visibleChildren(
  principal: Principal,
  column: string,
  value: string,
  ...more: Condition[]
): Condition {
  return and(
    equals('tenant_id', principal.tenantId),
    equals(column, value),
    ...more,
    isIn('session_id', { table: 'sessions', select: 'id', where: visibleSessions(principal) }),
  )
}

const bySession = z.strictObject({ sessionId: idField })
const seqField = z.string().regex(/^(?:0|[1-9]\d{0,9})$/, 'must be a whole number')
const byWindow = z
  .strictObject({ sessionId: idField, fromSeq: seqField, toSeq: seqField })
  .refine(
    ({ fromSeq, toSeq }) =>
      Number(fromSeq) < Number(toSeq) &&
      Number(toSeq) - Number(fromSeq) <= MAX_WINDOW_EVENTS &&
      Number(toSeq) <= MAX_SEQ,
    `fromSeq and toSeq must be 1 to ${MAX_WINDOW_EVENTS} apart`,
  )
const byThread = z.strictObject({ threadId: idField })
const byEpoch = z.strictObject({ sessionId: idField, epoch: z.string().regex(/^\d{1,12}$/) })

/** The six shapes of this library, by the name in their URL. */
export const sessionShapes = {
  sessions: defineShape({
    table: 'sessions',
    columns: syncedColumnNames(sessionColumns),
    params: z.strictObject({}),
    rows: visibleSessions,
  }),
  'session-timeline': defineShape({
    table: 'timeline_events',
    columns: syncedColumnNames(timelineEventColumns),
    params: bySession,
    rows: (principal, { sessionId }) => visibleChildren(principal, 'session_id', sessionId),
  }),
  /** Part of a timeline: `fromSeq` up to, and not including, `toSeq`. */
  'session-timeline-window': defineShape({
    table: 'timeline_events',
    columns: syncedColumnNames(timelineEventColumns),
    params: byWindow,
    rows: (principal, { sessionId, fromSeq, toSeq }) =>
      visibleChildren(
        principal,
        'session_id',
        sessionId,
        inRange('seq', Number(fromSeq), Number(toSeq)),
      ),
  }),
  'session-threads': defineShape({
    table: 'chat_threads',
    columns: syncedColumnNames(chatThreadColumns),
    params: bySession,
    rows: (principal, { sessionId }) => visibleChildren(principal, 'session_id', sessionId),
  }),
  'session-messages': defineShape({
    table: 'chat_messages',
    columns: syncedColumnNames(chatMessageColumns),
    params: bySession,
    rows: (principal, { sessionId }) => visibleChildren(principal, 'session_id', sessionId),
  }),
  'thread-messages': defineShape({
    table: 'chat_messages',
    columns: syncedColumnNames(chatMessageColumns),
    params: byThread,
    rows: (principal, { threadId }) => visibleChildren(principal, 'thread_id', threadId),
  }),
  // What is being said right now; a collection adds it to its messages while one of them streams.
  'session-deltas': defineShape({
    table: 'chat_message_deltas',
    columns: syncedColumnNames(chatMessageDeltaColumns),
    params: byEpoch,
    rows: (principal, { sessionId, epoch }) =>
      visibleChildren(principal, 'session_id', sessionId, equals('epoch', epoch)),
  }),
} as const
