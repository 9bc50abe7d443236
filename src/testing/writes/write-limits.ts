import { SessionDbError } from '../../errors.ts'
import { MAX_MUTATIONS, type Mutation } from '../../writes/index.ts'

const MAX_MESSAGE_BYTES = 1024 * 1024
const MAX_BATCH_BYTES = 8 * 1024 * 1024

const encoder = new TextEncoder()
const bytesOf = (text: string) => encoder.encode(text).length

/**
 * Checks a batch against the store's own limits.
 *
 * @param json the mutations as JSON
 * @throws SessionDbError `too_large`
 */
export function checkLimits(mutations: readonly Mutation[], json: string): void {
  check('The batch', 'maxMutations', mutations.length, MAX_MUTATIONS, 'mutations')
  check('The batch', 'maxBatchBytes', bytesOf(json), MAX_BATCH_BYTES, 'bytes')
  for (const [index, mutation] of mutations.entries()) {
    const size = messageBytes(mutation)
    const details = { mutation: index }
    check(`mutations[${index}]`, 'maxMessageBytes', size, MAX_MESSAGE_BYTES, 'bytes', details)
  }
}

function messageBytes(mutation: Mutation): number {
  if (mutation.collection !== 'chatMessages' || mutation.type === 'delete') return 0
  const { content, parts } = mutation.type === 'insert' ? mutation.value : mutation.changes
  const text = content === undefined ? 0 : bytesOf(content)
  return parts === undefined ? text : text + bytesOf(JSON.stringify(parts))
}

function check(
  where: string,
  name: string,
  size: number,
  limit: number,
  unit: string,
  more: object = {},
): void {
  if (size <= limit) return
  throw new SessionDbError(
    'too_large',
    `${where}: ${size} ${unit} are more than the ${limit} allowed (${name}). Send less at once.`,
    { details: { ...more, limit, size, name } },
  )
}
