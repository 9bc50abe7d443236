import { SessionDbError } from '../errors.ts'
import { MAX_MUTATIONS, type Mutation } from './batch.ts'

const encoder = new TextEncoder()
const bytesOf = (text: string) => encoder.encode(text).length

/** Limits of a write. */
export interface WriteLimits {
  /** UTF-8 bytes of the `content`, and of `parts` and `metadata` as JSON, in one message mutation. */
  readonly maxMessageBytes: number
  /** UTF-8 bytes of a batch's mutations as JSON. */
  readonly maxBatchBytes: number
  /** Mutations in one batch; at most 500. */
  readonly maxMutations: number
  /** UTF-8 bytes of a streamed message in total: its content, parts, metadata and deltas. */
  readonly maxStreamedBytes: number
  /** Deltas of a message between its start, or a resume, and its end. */
  readonly maxStreamedDeltas: number
  /** Unfinished streamed messages of a principal. */
  readonly maxStreamingMessages: number
  /** Unfinished streamed messages of a principal in one thread. */
  readonly maxStreamingPerThread: number
  /** Threads that a principal has created in one session. */
  readonly maxThreads: number
  /** Grants of a session. */
  readonly maxGrants: number
  /** Grants that a principal has made in all sessions, without those to the whole tenant. */
  readonly maxGrantsPerUser: number
}

export const defaultLimits: WriteLimits = {
  maxMessageBytes: 1024 * 1024,
  maxBatchBytes: 8 * 1024 * 1024,
  maxMutations: MAX_MUTATIONS,
  maxStreamedBytes: 8 * 1024 * 1024,
  maxStreamedDeltas: 20_000,
  maxStreamingMessages: 100,
  maxStreamingPerThread: 20,
  maxThreads: 1_000,
  maxGrants: 500,
  maxGrantsPerUser: 10_000,
}

/** The limits that a batch is checked against before it reaches the database. */
type BatchLimits = Pick<WriteLimits, 'maxMessageBytes' | 'maxBatchBytes' | 'maxMutations'>

/**
 * Checks a validated batch against the limits.
 *
 * @param json the mutations as JSON.
 * @throws SessionDbError `too_large`; `details` has the limit's name, its value and the size found.
 */
export function checkLimits(
  mutations: readonly Mutation[],
  json: string,
  limits: BatchLimits,
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
  const {
    content = '',
    parts,
    metadata,
  } = mutation.type === 'insert' ? mutation.value : mutation.changes
  const json = [parts, metadata].map((value) => (value === undefined ? '' : JSON.stringify(value)))
  return bytesOf(content + json.join(''))
}

function check(
  where: string,
  name: keyof BatchLimits,
  size: number,
  limits: BatchLimits,
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
