import * as z from 'zod/mini'
import { writeFailureSchema } from './errors.ts'

const appliedMutationSchema = /* @__PURE__ */ (() =>
  z.object({
    collection: z.enum(['sessions', 'timelineEvents', 'chatThreads', 'chatMessages']),
    type: z.enum(['insert', 'update', 'delete', 'append']),
    id: z.string(),
    /** The row's version after the write; null for deletes and for rows without a version. */
    version: z.nullable(z.int()),
    /** True when the row is as it was: no stream will show anything of this mutation. */
    unchanged: z.optional(z.literal(true)),
  }))()

/**
 * What one batch did. `txid` is the 32-bit transaction id its rows carry in every shape stream,
 * or null when no row changed (then there is nothing to wait for).
 */
export const writeResultSchema = /* @__PURE__ */ (() =>
  z.object({
    batchId: z.string(),
    txid: z.nullable(z.int().check(z.nonnegative())),
    mutations: z.array(appliedMutationSchema),
  }))()

export type AppliedMutation = z.output<typeof appliedMutationSchema>
export type WriteResult = z.output<typeof writeResultSchema>

/** A result or a failure, as a server function returns it. */
export const writeOutcomeSchema = /* @__PURE__ */ (() =>
  z.union([writeResultSchema, writeFailureSchema]))()
export type WriteOutcome = z.output<typeof writeOutcomeSchema>
