import * as z from 'zod/mini'
import { chatMessageInsertSchema, chatMessageUpdateSchema } from '../schema/chat-message.ts'
import { chatThreadInsertSchema, chatThreadUpdateSchema } from '../schema/chat-thread.ts'
import { idField, integerField, textField } from '../schema/fields.ts'
import { messageFeedbackSetSchema } from '../schema/message-feedback.ts'
import { sessionInsertSchema, sessionUpdateSchema } from '../schema/session.ts'
import { sessionGrantInsertSchema, sessionGrantUpdateSchema } from '../schema/session-grant.ts'
import { partEditSchema } from '../schema/streamed-message.ts'
import type { CollectionName, ownTables } from '../schema/tables.ts'
import { threadStateSetSchema } from '../schema/thread-state.ts'
import { timelineEventInsertSchema, timelineEventUpdateSchema } from '../schema/timeline-event.ts'
import { validate } from '../schema/validate.ts'
import { SessionDbError } from './errors.ts'

/** The maximum number of mutations in a batch. */
export const MAX_MUTATIONS = 500

/** The maximum number of deltas in one append. */
export const MAX_DELTAS = 1_000

const version = z.int().check(z.positive())
const noVersion = z.undefined({ error: 'rows of this collection have no version; leave it out' })

function mutationSchemas<
  Name extends CollectionName,
  Insert extends z.ZodMiniType,
  Update extends z.ZodMiniType,
  Version extends z.ZodMiniType<number | undefined>,
>(collection: Name, insert: Insert, update: Update, ofVersion: Version) {
  const expectedVersion = z.optional(ofVersion)
  const name = z.literal(collection)
  return z.discriminatedUnion('type', [
    z.strictObject({ collection: name, type: z.literal('insert'), value: insert }),
    z.strictObject({
      collection: name,
      type: z.literal('update'),
      id: idField,
      changes: update,
      expectedVersion,
    }),
    z.strictObject({ collection: name, type: z.literal('delete'), id: idField, expectedVersion }),
  ])
}

/**
 * Appends to a message that is being streamed. Only its writer may append. Repeated deltas are recognised by
 * their numbers, not by the batch id, so an append is one insert.
 */
const appendSchema = z.strictObject({
  collection: z.literal('chatMessages'),
  type: z.literal('append'),
  id: idField,
  /** The writer that began or resumed the message. */
  writer: idField,
  /** The number of the first delta; the others are numbered consecutively. */
  seq: integerField,
  deltas: z
    .array(z.strictObject({ delta: textField, part: z.optional(partEditSchema) }))
    .check(z.minLength(1), z.maxLength(MAX_DELTAS)),
})

/** Sets the user's own values for a thread or a message. The first of them creates the row. */
function setSchema<Name extends keyof typeof ownTables, Changes extends z.ZodMiniType>(
  collection: Name,
  changes: Changes,
) {
  // `id` is that of the thread or message.
  return z.strictObject({
    collection: z.literal(collection),
    type: z.literal('set'),
    id: idField,
    changes,
  })
}

/** A change to one row. An insert has the new row's id in `value`. */
const mutationSchema = z.discriminatedUnion('collection', [
  mutationSchemas('sessions', sessionInsertSchema, sessionUpdateSchema, version),
  mutationSchemas('sessionGrants', sessionGrantInsertSchema, sessionGrantUpdateSchema, version),
  mutationSchemas(
    'timelineEvents',
    timelineEventInsertSchema,
    timelineEventUpdateSchema,
    noVersion,
  ),
  mutationSchemas('chatThreads', chatThreadInsertSchema, chatThreadUpdateSchema, version),
  z.discriminatedUnion('type', [
    ...mutationSchemas('chatMessages', chatMessageInsertSchema, chatMessageUpdateSchema, version)
      .def.options,
    appendSchema,
  ]),
  setSchema('threadStates', threadStateSetSchema),
  setSchema('messageFeedback', messageFeedbackSetSchema),
])

/** One user action: 1 to 500 mutations that become one transaction. Retries use the same id. */
export const writeBatchSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    id: idField,
    mutations: z.array(mutationSchema).check(z.minLength(1), z.maxLength(MAX_MUTATIONS)),
  }))()

/** A mutation before validation; dates may be ISO strings. */
export type MutationInput = z.input<typeof mutationSchema>
/** A mutation after validation. */
export type Mutation = z.output<typeof mutationSchema>
/** A mutation of a user's own row about a thread or a message. */
export type SetMutation = Extract<Mutation, { type: 'set' }>
/** A mutation of a row of a collection. */
export type RowMutation = Exclude<Mutation, SetMutation>
/** A batch before validation. */
export type WriteBatchInput = z.input<typeof writeBatchSchema>
/** A batch after validation. */
export type WriteBatch = z.output<typeof writeBatchSchema>

/**
 * Validates a batch from an untrusted caller.
 *
 * @throws SessionDbError `invalid`; `details.issues` names each mutation and field, for example
 * `{ path: 'mutations[0].value.title', message: 'Too small: …' }`.
 * @example
 * parseWriteBatch({ id: 'b1', mutations: [{ collection: 'sessions', type: 'delete', id: 's1' }] })
 */
export function parseWriteBatch(input: unknown): WriteBatch {
  const parsed = validate(writeBatchSchema, input)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, 10).map((issue) => ({
    path: formatPath(issue.path),
    message: issue.message,
  }))
  const first = issues[0]
  const where = first === undefined || first.path === '' ? 'The batch' : first.path
  throw new SessionDbError('invalid', `${where}: ${first?.message ?? 'is not valid'}`, {
    details: { issues },
  })
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) =>
      typeof key === 'number'
        ? `${text}[${key}]`
        : text === ''
          ? String(key)
          : `${text}.${String(key)}`,
    '',
  )
}
