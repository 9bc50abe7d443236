import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { problemIn, validate } from '../../schema/validate.ts'

/**
 * How long inactive sessions are kept. Each value is a duration such as `90d`, or `keep` to never
 * delete.
 */
export interface RetentionPolicy {
  /** For every tenant without its own value. */
  readonly default: string
  /** By tenant id. */
  readonly tenants?: Readonly<Record<string, string>>
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
 * @throws SessionDbError `invalid`, naming the wrong field.
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

/** Maximum ages in ms; null means that sessions are never deleted. */
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

function ageOf(keepFor: string): number | null {
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

const UNIT_MS: Record<string, number> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

/**
 * Parses a duration such as `90d`, `12h` or `2w`.
 *
 * @returns milliseconds.
 * @throws SessionDbError `invalid`
 * @example
 * parseDuration('90d') // 7776000000
 */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const scale = UNIT_MS[unit ?? '']
  if (amount !== undefined && scale !== undefined) return Number(amount) * scale
  throw new SessionDbError(
    'invalid',
    `"${text}" is not a duration. Write a number and a unit (s, m, h, d or w), for example 90d.`,
  )
}
