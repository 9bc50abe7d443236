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
 * One row of `timeline_events`. `seq` orders a session's events; it starts at 0. `derivedBy` names the
 * parser that made the event of the session's content; it is null for events that the app wrote.
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
    data: jsonObjectField,
    derivedBy: z.nullable(textField),
    createdAt: z.date(),
  }))()

export type TimelineEventRow = z.output<typeof timelineEventRowSchema>

/** A timeline event as a browser holds it: the row without what only derivation needs. */
export const timelineEventSchema = /* @__PURE__ */ (() =>
  z.omit(timelineEventRowSchema, { derivedBy: true }))()

export type TimelineEvent = z.output<typeof timelineEventSchema>

/** What a session's owner may say of a new event. */
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
  data: z.optional(jsonObjectField),
})

/** What a session's owner may change in an event; its place in the session is fixed. */
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
    data: column('data', 'jsonb', { default: "'{}'::jsonb", writable: 'always' }),
    derivedBy: column('derived_by', 'text', { nullable: true, synced: false }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof TimelineEventRow>)()

/** Which events of a timeline to show; what is left out does not matter. */
export interface TimelineFilter {
  readonly kinds?: readonly TimelineEvent['kind'][]
  readonly roles?: readonly string[]
  readonly tools?: readonly string[]
  /** Not before. */
  readonly from?: Date
  /** Before. */
  readonly until?: Date
  /** Part of the title or the text, whatever its case. */
  readonly text?: string
}

/** A list of 1 to `length` texts of at most 200 characters. */
export function listOfTexts(length: number) {
  return z.array(textField.check(z.maxLength(200))).check(z.minLength(1), z.maxLength(length))
}

/** Checks a filter that came from elsewhere. */
export const timelineFilterSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    kinds: z.optional(z.array(timelineEventKindSchema).check(z.minLength(1), z.maxLength(8))),
    roles: z.optional(listOfTexts(20)),
    tools: z.optional(listOfTexts(50)),
    from: z.optional(z.date()),
    until: z.optional(z.date()),
    text: z.optional(textField.check(z.maxLength(1_000))),
  }))()

/** A pattern for LIKE that matches any text with these characters in it, each for itself. */
export function containsPattern(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
}
