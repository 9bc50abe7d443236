import * as z from 'zod/mini'
import { type ErrorCode, errorStatus } from '../errors.ts'
import type { JsonValue } from '../schema/fields.ts'

/** A failure as it crosses the wire. `details` is safe to show to the caller. */
export const writeFailureSchema = /* @__PURE__ */ (() =>
  z.object({
    error: z.object({
      code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
      message: z.string(),
      // As a type JSON, so that frameworks which check what a server function returns let it pass.
      details: z.optional(z.record(z.string(), z.custom<JsonValue>())),
    }),
  }))()
