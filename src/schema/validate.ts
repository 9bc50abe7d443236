import { en } from 'zod/locales'
import * as z from 'zod/mini'
import { SessionDbError } from '../errors.ts'

/**
 * Validates a value as `safeParse` does. `zod/mini` has no messages of its own, so the English ones are given
 * here, whatever locale the app has set.
 */
export function validate<Schema extends z.core.$ZodType>(
  schema: Schema,
  value: unknown,
): z.core.util.SafeParseResult<z.output<Schema>> {
  return z.safeParse(schema, value, { error: (issue) => en().localeError(issue) })
}

/**
 * Words the first problem of a value that did not validate: where it is, then what is wrong there.
 *
 * @param whole names the value, for a problem that is in none of its fields
 * @example
 * problemIn(error, 'The filter') // 'kinds.0: Invalid option: expected one of …'
 */
export function problemIn(error: z.core.$ZodError, whole: string): string {
  const issue = error.issues[0]
  return `${issue?.path.join('.') || whole}: ${issue?.message ?? 'is not valid'}`
}

/**
 * Returns a valid value with its defaults.
 *
 * @param whole names the value, for a problem that is in none of its fields
 * @throws SessionDbError `invalid`, with the first problem
 * @example
 * const { threadId, title } = validated(suggestionSchema, suggestion, 'The title')
 */
export function validated<Schema extends z.core.$ZodType>(
  schema: Schema,
  value: unknown,
  whole: string,
): z.output<Schema> {
  const parsed = validate(schema, value)
  if (parsed.success) return parsed.data
  throw new SessionDbError('invalid', problemIn(parsed.error, whole))
}
