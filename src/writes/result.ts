import * as z from 'zod/mini'
import type { Mutation } from './batch.ts'
import { writeFailureSchema } from './errors.ts'

/** A name that the server gives. Listing the known ones again would make every page larger. */
const nameField = <Name extends string>() => z.string() as unknown as z.ZodMiniType<Name, Name>

const appliedMutationSchema = /* @__PURE__ */ (() =>
  z.object({
    collection: nameField<Mutation['collection']>(),
    type: nameField<Mutation['type']>(),
    id: z.string(),
    /** The row's version after the write; null for deletes and for rows without a version. */
    version: z.nullable(z.int()),
    /** True if the row didn't change, so no stream will show this mutation. */
    unchanged: z.optional(z.literal(true)),
  }))()

/**
 * The result of a batch. `txid` is the 32-bit transaction id of its changes in every shape stream, or null if
 * no row changed, in which case there is nothing to wait for.
 */
export const writeResultSchema = /* @__PURE__ */ (() =>
  z.object({
    batchId: z.string(),
    txid: z.nullable(z.int().check(z.nonnegative())),
    mutations: z.array(appliedMutationSchema),
  }))()

export type AppliedMutation = z.output<typeof appliedMutationSchema>
export type WriteResult = z.output<typeof writeResultSchema>

/** A result or a failure: the return value of a server function. */
export const writeOutcomeSchema = /* @__PURE__ */ (() =>
  z.union([writeResultSchema, writeFailureSchema]))()
export type WriteOutcome = z.output<typeof writeOutcomeSchema>

/** The outcomes of several batches, in order. */
export const writeOutcomesSchema = /* @__PURE__ */ (() => z.array(writeOutcomeSchema))()
