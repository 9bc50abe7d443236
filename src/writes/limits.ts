import { SessionDbError } from '../errors.ts'
import { MAX_MUTATIONS, type Mutation } from './batch.ts'

const encoder = new TextEncoder()
const bytesOf = (text: string) => encoder.encode(text).length

/** Limits of a write. */
export interface WriteLimits {
  /** UTF-8 bytes of the `content` and `parts` (as JSON) that one message mutation carries. */
  readonly maxMessageBytes: number
  /** UTF-8 bytes of a batch's mutations as JSON. */
  readonly maxBatchBytes: number
  /** Mutations in one batch; at most 500. */
  readonly maxMutations: number
}

export const defaultLimits: WriteLimits = {
  maxMessageBytes: 1024 * 1024,
  maxBatchBytes: 8 * 1024 * 1024,
  maxMutations: MAX_MUTATIONS,
}

/**
 * Checks a validated batch against the limits.
 *
 * @param json the mutations as JSON.
 * @throws SessionDbError `too_large`; `details` has the limit's name, its value and the size found.
 */
export function checkLimits(
  mutations: readonly Mutation[],
  json: string,
  limits: WriteLimits,
): void {
  check('The batch', 'maxMutations', mutations.length, limits, 'mutations')
  // Most batches are small enough to skip counting: a UTF-16 unit takes at most three bytes in UTF-8, and a
  // message's content is part of its batch's JSON.
  if (json.length * 3 <= Math.min(limits.maxBatchBytes, limits.maxMessageBytes)) return
  check('The batch', 'maxBatchBytes', bytesOf(json), limits, 'bytes')
  for (const [index, mutation] of mutations.entries()) {
    const size = messageBytes(mutation)
    check(`mutations[${index}]`, 'maxMessageBytes', size, limits, 'bytes', { mutation: index })
  }
}

function messageBytes(mutation: Mutation): number {
  if (mutation.collection !== 'chatMessages' || mutation.type === 'delete') return 0
  if (mutation.type === 'append') return bytesOf(JSON.stringify(mutation.deltas))
  const { content, parts } = mutation.type === 'insert' ? mutation.value : mutation.changes
  const text = content === undefined ? 0 : bytesOf(content)
  return parts === undefined ? text : text + bytesOf(JSON.stringify(parts))
}

function check(
  where: string,
  name: keyof WriteLimits,
  size: number,
  limits: WriteLimits,
  unit: string,
  more: object = {},
): void {
  const limit = limits[name]
  if (size <= limit) return
  throw new SessionDbError(
    'too_large',
    `${where}: ${size} ${unit} are more than the ${limit} allowed (${name}). Send less at once.`,
    { details: { ...more, limit, size, name } },
  )
}
