import * as z from 'zod/mini'
import {
  defaultAccess,
  distinctAudiences,
  type SessionAccess,
  seesSession,
} from '../access/access.ts'
import type { Condition } from '../access/condition.ts'
import { confineSubqueries } from '../access/confined.ts'
import { ofSessionChild } from '../access/session-child.ts'
import * as where from '../access/where.ts'
import { chatMessageColumns } from '../schema/chat-message.ts'
import { chatThreadColumns } from '../schema/chat-thread.ts'
import { idField } from '../schema/fields.ts'
import { messageFeedbackColumns } from '../schema/message-feedback.ts'
import type { Principal } from '../schema/principal.ts'
import { sessionColumns } from '../schema/session.ts'
import { sessionGrantColumns } from '../schema/session-grant.ts'
import { chatMessageDeltaColumns } from '../schema/streamed-message.ts'
import { threadStateColumns } from '../schema/thread-state.ts'
import { timelineEventColumns } from '../schema/timeline-event.ts'
import { defineShape } from './define-shape.ts'

/** The maximum number of events in one window of a timeline. */
export const MAX_WINDOW_EVENTS = 10_000

/** The maximum number of messages in one window of a thread. */
const MAX_WINDOW_MESSAGES = 1_000

const MAX_SEQ = 2_147_483_647

const seqField = /* @__PURE__ */ (() =>
  z.string().check(z.regex(/^(?:0|[1-9]\d{0,9})$/, 'must be a whole number')))()
/** The longest grantee that the database stores. */
const MAX_AUDIENCE_LENGTH = 256

const byAudience = /* @__PURE__ */ (() => ({
  audience: z.optional(z.string().check(z.minLength(1), z.maxLength(MAX_AUDIENCE_LENGTH))),
}))()
const bySession = { ...byAudience, sessionId: idField }
const byWindow = { ...bySession, fromSeq: seqField, toSeq: seqField }
const byThread = { ...bySession, threadId: idField }
const byPosition = /* @__PURE__ */ (() => ({
  ...byThread,
  fromPosition: seqField,
  toPosition: z.optional(seqField),
}))()
const byEpoch = /* @__PURE__ */ (() => ({
  ...bySession,
  epoch: z.string().check(z.regex(/^\d{1,12}$/)),
}))()

function windowProblem({ fromSeq, toSeq }: { fromSeq: string; toSeq: string }): string | undefined {
  const events = Number(toSeq) - Number(fromSeq)
  if (events > 0 && events <= MAX_WINDOW_EVENTS && Number(toSeq) <= MAX_SEQ) return undefined
  return `fromSeq and toSeq must be 1 to ${MAX_WINDOW_EVENTS} apart`
}

function rangeProblem(range: { fromPosition: string; toPosition?: string | undefined }) {
  const { fromPosition, toPosition = String(Number(fromPosition) + 1) } = range
  const messages = Number(toPosition) - Number(fromPosition)
  if (messages > 0 && messages <= MAX_WINDOW_MESSAGES) return undefined
  return `fromPosition and toPosition must be 1 to ${MAX_WINDOW_MESSAGES} apart`
}

/**
 * Creates this library's shapes for an access rule, by the name in their URL.
 *
 * With the parameter `audience` a shape has the rows that are visible through that audience, so everyone who
 * looks through it shares the shape in the engine. Without it, a shape has the rows that the principal sees
 * through any audience, and is its own.
 *
 * @example
 * createShapeProxy({ electricUrl, authenticate, shapes: createSessionShapes(access) })
 */
export function createSessionShapes<P extends Principal = Principal>(access: SessionAccess<P>) {
  const audiences = (principal: P) => distinctAudiences(access, principal)

  interface Seen {
    readonly audience?: string | undefined
  }
  interface InSession extends Seen {
    readonly sessionId: string
  }

  const visibleSessions = (principal: P, { audience }: Seen) =>
    audience === undefined ? seesSession(access, principal) : access.see(principal, audience)

  /**
   * Rows of one session, while it is visible. The subquery is confined to that session: the engine
   * re-evaluates a shape when a row enters or leaves its subquery, so an unconfined one costs a query
   * per live shape of the tenant for each session that is shared.
   */
  function visibleChildren(principal: P, params: InSession, ...more: Condition[]): Condition {
    return where.and(
      where.eq('session_id', params.sessionId),
      ...more,
      inSession(params.sessionId, visibleSessions(principal, params)),
    )
  }

  return {
    sessions: defineShape({
      table: 'sessions',
      columns: sessionColumns,
      params: byAudience,
      audiences,
      rows: visibleSessions,
    }),
    /**
     * The grants of a session: all of them if the principal may list them, otherwise its own. So each
     * principal has its own shape.
     */
    'session-grants': defineShape({
      table: 'session_grants',
      columns: sessionGrantColumns,
      params: { sessionId: idField },
      rows: (principal: P, { sessionId }) => {
        return where.and(
          where.eq('session_id', sessionId),
          where.or(
            where.inArray('grantee', access.audiences(principal)),
            inSession(sessionId, access.seeGrants(principal)),
          ),
        )
      },
    }),
    'session-timeline': defineShape({
      table: 'timeline_events',
      columns: timelineEventColumns,
      params: bySession,
      audiences,
      rows: (principal: P, params) => visibleChildren(principal, params),
    }),
    /** Part of a timeline: from `fromSeq` to before `toSeq`. */
    'session-timeline-window': defineShape({
      table: 'timeline_events',
      columns: timelineEventColumns,
      params: byWindow,
      checkParams: windowProblem,
      audiences,
      rows: (principal: P, params) =>
        visibleChildren(
          principal,
          params,
          where.gte('seq', Number(params.fromSeq)),
          where.lt('seq', Number(params.toSeq)),
        ),
    }),
    /** The threads of all visible sessions. */
    threads: defineShape({
      table: 'chat_threads',
      columns: chatThreadColumns,
      params: byAudience,
      audiences,
      rows: (principal: P, params) =>
        ofSessionChild(visibleSessions(principal, params), ['audiences']),
    }),
    /** The principal's read positions and pins. The rows are its own, so they don't depend on the session. */
    'thread-states': defineShape({
      table: 'chat_thread_states',
      columns: threadStateColumns,
      key: ['threadId'],
      rows: ({ userId }: P) => where.eq('user_id', userId),
    }),
    /** The principal's feedback on the messages of a session. */
    'session-feedback': defineShape({
      table: 'chat_message_feedback',
      columns: messageFeedbackColumns,
      key: ['messageId'],
      params: { sessionId: idField },
      rows: ({ userId }: P, { sessionId }) =>
        where.and(where.eq('session_id', sessionId), where.eq('user_id', userId)),
    }),
    'session-threads': defineShape({
      table: 'chat_threads',
      columns: chatThreadColumns,
      params: bySession,
      audiences,
      rows: (principal: P, params) => visibleChildren(principal, params),
    }),
    'session-messages': defineShape({
      table: 'chat_messages',
      columns: chatMessageColumns,
      params: bySession,
      audiences,
      rows: (principal: P, params) => visibleChildren(principal, params),
    }),
    'thread-messages': defineShape({
      table: 'chat_messages',
      columns: chatMessageColumns,
      params: byThread,
      audiences,
      rows: (principal: P, params) =>
        visibleChildren(principal, params, where.eq('thread_id', params.threadId)),
    }),
    /** Part of a thread: from `fromPosition` to before `toPosition`, or to the end. */
    'thread-messages-window': defineShape({
      table: 'chat_messages',
      columns: chatMessageColumns,
      params: byPosition,
      checkParams: rangeProblem,
      audiences,
      rows: (principal: P, params) =>
        visibleChildren(
          principal,
          params,
          where.eq('thread_id', params.threadId),
          where.gte('position', Number(params.fromPosition)),
          ...(params.toPosition === undefined
            ? []
            : [where.lt('position', Number(params.toPosition))]),
        ),
    }),
    /** One message of a thread. */
    'thread-message': defineShape({
      table: 'chat_messages',
      columns: chatMessageColumns,
      params: { ...byThread, messageId: idField },
      audiences,
      rows: (principal: P, params) =>
        visibleChildren(
          principal,
          params,
          where.eq('thread_id', params.threadId),
          where.eq('id', params.messageId),
        ),
    }),
    // The pieces of messages that are being streamed; a collection folds them into its messages.
    'session-deltas': defineShape({
      table: 'chat_message_deltas',
      columns: chatMessageDeltaColumns,
      key: ['messageId', 'seq'],
      params: byEpoch,
      audiences,
      rows: (principal: P, params) =>
        visibleChildren(principal, params, where.eq('epoch', params.epoch)),
    }),
  } as const
}

/** The row's session is this one, and the condition holds for it. */
function inSession(sessionId: string, condition: Condition): Condition {
  const confined = confineSubqueries(condition, 'id', sessionId)
  const selected = where.and(where.eq('id', sessionId), confined)
  return where.inArray('session_id', { table: 'sessions', select: 'id', where: selected })
}

/** This library's shapes under the default access rule. */
export const sessionShapes = /* @__PURE__ */ createSessionShapes(defaultAccess)
