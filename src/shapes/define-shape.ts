import type { z } from 'zod'
import type { Principal } from '../schema/principal.ts'
import type { Condition } from './condition.ts'

/** A named shape: which rows and columns of one table a principal may replicate. */
export interface ShapeDefinition<Params extends Record<string, string> = Record<string, string>> {
  /** The table's database name. */
  readonly table: string
  /** Database names of the columns a browser gets, primary key included. Nothing else is queryable. */
  readonly columns: readonly string[]
  /** Validates the parameters a client gave; unknown ones must be refused (`z.strictObject`). */
  readonly params: z.ZodType<Params>
  /** The rows. Authorisation belongs here: it is re-evaluated as the database changes. */
  rows(principal: Principal, params: Params): Condition
}

/** Shapes by the name clients use in the URL. */
export type ShapeRegistry = Readonly<Record<string, ShapeDefinition>>

/**
 * Declares a shape with its parameter types inferred.
 *
 * @example
 * const notes = defineShape({
 *   table: 'notes',
 *   columns: ['tenant_id', 'id', 'body'],
 *   params: z.strictObject({ bookId: z.string() }),
 *   rows: (principal, { bookId }) =>
 *     and(equals('tenant_id', principal.tenantId), equals('book_id', bookId)),
 * })
 */
export function defineShape<Params extends Record<string, string>>(
  definition: ShapeDefinition<Params>,
): ShapeDefinition<Params> {
  return definition
}
