import * as z from 'zod/mini'
import { chatMessageInsertSchema, chatMessageUpdateSchema } from '../schema/chat-message.ts'
import { chatThreadInsertSchema, chatThreadUpdateSchema } from '../schema/chat-thread.ts'
import { idField, integerField, jsonObjectField, textField } from '../schema/fields.ts'
import { sessionInsertSchema, sessionUpdateSchema } from '../schema/session.ts'
import type { CollectionName } from '../schema/tables.ts'
import { timelineEventInsertSchema, timelineEventUpdateSchema } from '../schema/timeline-event.ts'
import { validate } from '../schema/validate.ts'
import { SessionDbError } from './errors.ts'

/** Most mutations one batch may hold. */
export const MAX_MUTATIONS = 500

/** Most deltas one mutation may append. */
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
 * Adds to a message that is being streamed, by its writer. Nothing but the deltas is stored: their
 * numbers, not the batch id, keep one that is sent again from being stored again.
 */
const appendSchema = z.strictObject({
  collection: z.literal('chatMessages'),
  type: z.literal('append'),
  /** The message. */
  id: idField,
  /** The writer that the message was begun or resumed with. */
  writer: idField,
  /** Number of the first delta; the others follow. */
  seq: integerField,
  deltas: z
    .array(z.strictObject({ delta: textField, part: z.optional(jsonObjectField) }))
    .check(z.minLength(1), z.maxLength(MAX_DELTAS)),
})

/** One change to one row. Inserts carry the new row's id inside `value`. */
const mutationSchema = z.discriminatedUnion('collection', [
  mutationSchemas('sessions', sessionInsertSchema, sessionUpdateSchema, version),
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
])

/** One user action: 1 to 500 mutations that become one transaction, under an id made once. */
export const writeBatchSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    id: idField,
    mutations: z.array(mutationSchema).check(z.minLength(1), z.maxLength(MAX_MUTATIONS)),
  }))()

/** A mutation as a caller writes it (dates may be ISO strings). */
export type MutationInput = z.input<typeof mutationSchema>
/** A mutation after validation. */
export type Mutation = z.output<typeof mutationSchema>
/** A batch as a caller writes it. */
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
