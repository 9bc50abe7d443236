import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import { idField, integerField, jsonObjectField, textField, timestampInput } from './fields.ts'

export const timelineEventKindSchema = z.enum([
  'message',
  'reasoning',
  'tool_call',
  'tool_result',
  'file_change',
  'system',
  'meta',
  'other',
])

/**
 * A row of `timeline_events`. `seq` orders a session's events, starting at 0. `derivedBy` names the parser that
 * derived the event from the session's content; it is null for events that the app wrote. `fold` is why a view
 * may fold the event: injected `context`, a `blank` text, a `duplicate` of another event, history `replayed` from
 * a parent session, an `abandoned` branch, a part that was `rewound`, or a word of the app. It is null for the
 * conversation itself.
 */
export const timelineEventRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    id: idField,
    sessionId: idField,
    seq: integerField,
    kind: timelineEventKindSchema,
    role: z.nullable(textField),
    occurredAt: z.nullable(z.date()),
    title: z.nullable(textField),
    text: z.nullable(textField),
    toolName: z.nullable(textField),
    callId: z.nullable(textField),
    parentId: z.nullable(textField),
    fold: z.nullable(textField),
    data: jsonObjectField,
    moreWords: z.nullable(textField),
    derivedBy: z.nullable(textField),
    createdAt: z.date(),
  }))()

export type TimelineEventRow = z.output<typeof timelineEventRowSchema>

/** A timeline event in the browser: the row without the column that only derivation needs. */
export const timelineEventSchema = /* @__PURE__ */ (() =>
  z.omit(timelineEventRowSchema, { moreWords: true, derivedBy: true }))()

export type TimelineEvent = z.output<typeof timelineEventSchema>

/** An event with its whole text and the part of the log that it was derived from. */
export interface WholeEvent
  extends Pick<
    TimelineEvent,
    | 'id'
    | 'sessionId'
    | 'seq'
    | 'kind'
    | 'role'
    | 'occurredAt'
    | 'title'
    | 'toolName'
    | 'callId'
    | 'data'
  > {
  /** The text without the limit of 4,000 characters. */
  readonly text: string | null
  /** The lines of the log; null for events that the app wrote. */
  readonly raw: string | null
}

/** The fields that a session's owner may set in a new event. */
export const timelineEventInsertSchema = z.strictObject({
  id: idField,
  sessionId: idField,
  seq: integerField,
  kind: timelineEventKindSchema,
  role: z.optional(z.nullable(textField)),
  occurredAt: z.optional(z.nullable(timestampInput)),
  title: z.optional(z.nullable(textField)),
  text: z.optional(z.nullable(textField)),
  toolName: z.optional(z.nullable(textField)),
  callId: z.optional(z.nullable(textField)),
  parentId: z.optional(z.nullable(textField)),
  fold: z.optional(z.nullable(textField)),
  data: z.optional(jsonObjectField),
})

/** The fields of an event that the session's owner may change. Its place in the session is fixed. */
export const timelineEventUpdateSchema = z.partial(
  z.omit(timelineEventInsertSchema, { id: true, sessionId: true, seq: true }),
)

export type TimelineEventInsert = z.input<typeof timelineEventInsertSchema>
export type TimelineEventUpdate = z.input<typeof timelineEventUpdateSchema>

export const timelineEventColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    id: column('id', 'text', { writable: 'insert' }),
    sessionId: column('session_id', 'text', { writable: 'insert' }),
    seq: column('seq', 'integer', { writable: 'insert' }),
    kind: column('kind', 'text', { writable: 'always' }),
    role: column('role', 'text', { nullable: true, writable: 'always' }),
    occurredAt: column('occurred_at', 'timestamp with time zone', {
      nullable: true,
      writable: 'always',
    }),
    title: column('title', 'text', { nullable: true, writable: 'always' }),
    text: column('text', 'text', { nullable: true, writable: 'always' }),
    toolName: column('tool_name', 'text', { nullable: true, writable: 'always' }),
    callId: column('call_id', 'text', { nullable: true, writable: 'always' }),
    parentId: column('parent_id', 'text', { nullable: true, writable: 'always' }),
    fold: column('fold', 'text', { nullable: true, writable: 'always' }),
    data: column('data', 'jsonb', { default: "'{}'::jsonb", writable: 'always' }),
    moreWords: column('more_words', 'text', { nullable: true, synced: false }),
    derivedBy: column('derived_by', 'text', { nullable: true, synced: false }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof TimelineEventRow>)()

/** Selects events of a timeline. Omitted properties match every event. */
export interface TimelineFilter {
  readonly kinds?: readonly TimelineEvent['kind'][]
  readonly roles?: readonly string[]
  readonly tools?: readonly string[]
  /** The event occurred at or after this time. */
  readonly from?: Date
  /** The event occurred before this time. */
  readonly until?: Date
  /** Text that the title or the text contains, ignoring case. */
  readonly text?: string
  /** False leaves out events that a view may fold; see `fold`. Default: true. */
  readonly folded?: boolean
  /** False leaves out events of sub-agents, which a view may fold under the call that started them. Default: true. */
  readonly agents?: boolean
}

/** A list of 1 to `length` texts of at most 200 characters. */
export function listOfTexts(length: number) {
  return z.array(textField.check(z.maxLength(200))).check(z.minLength(1), z.maxLength(length))
}

/** Validates a filter from an untrusted caller. */
export const timelineFilterSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    kinds: z.optional(z.array(timelineEventKindSchema).check(z.minLength(1), z.maxLength(8))),
    roles: z.optional(listOfTexts(20)),
    tools: z.optional(listOfTexts(50)),
    from: z.optional(z.date()),
    until: z.optional(z.date()),
    text: z.optional(textField.check(z.maxLength(1_000))),
    folded: z.optional(z.boolean()),
    agents: z.optional(z.boolean()),
  }))()

/** Returns a LIKE pattern that matches every text containing `text` literally. */
export function containsPattern(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
}
