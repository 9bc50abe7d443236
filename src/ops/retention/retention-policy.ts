import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { problemIn, validate } from '../../schema/validate.ts'
import { parseDuration } from './duration.ts'

/** How long one tenant keeps sessions: a duration such as `90d`, or `keep` for ever. */
export type KeepFor = string

/** How long sessions are kept after anything last happened in them. */
export interface RetentionPolicy {
  /** For every tenant that is not named. */
  readonly default: KeepFor
  /** By tenant id. */
  readonly tenants?: Readonly<Record<string, KeepFor>>
}

const keepForSchema = z.string().check(
  z.refine(isKeepFor, {
    error: ({ input }) => `"${String(input)}" is neither a duration such as 90d nor keep`,
  }),
)
const policySchema = z.strictObject({
  default: keepForSchema,
  tenants: z.optional(z.record(z.string(), keepForSchema)),
})

/**
 * Validates a policy, for example one read from a file.
 *
 * @throws SessionDbError `invalid`, naming the part that is wrong.
 * @example
 * parseRetentionPolicy({ default: '90d', tenants: { acme: '365d', legal: 'keep' } })
 */
export function parseRetentionPolicy(input: unknown): RetentionPolicy {
  const parsed = validate(policySchema, input)
  if (parsed.success) {
    const { tenants } = parsed.data
    return { default: parsed.data.default, ...(tenants !== undefined && { tenants }) }
  }
  throw new SessionDbError('invalid', `Retention policy, ${problemIn(parsed.error, 'the policy')}`)
}

/** Ages in ms that sessions may reach, by tenant; null for ever. */
export interface RetentionAges {
  readonly default: number | null
  readonly tenants: Readonly<Record<string, number | null>>
}

export function retentionAges(policy: RetentionPolicy): RetentionAges {
  const valid = parseRetentionPolicy(policy)
  return {
    default: ageOf(valid.default),
    tenants: Object.fromEntries(
      Object.entries(valid.tenants ?? {}).map(([tenant, keepFor]) => [tenant, ageOf(keepFor)]),
    ),
  }
}

function ageOf(keepFor: KeepFor): number | null {
  return keepFor === 'keep' ? null : parseDuration(keepFor)
}

function isKeepFor(text: string): boolean {
  try {
    ageOf(text)
    return true
  } catch {
    return false
  }
}
