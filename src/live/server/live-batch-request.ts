import { z } from 'zod'
import { readJsonBody } from '../../server/write-handler/read-json-body.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { type LivePoll, MAX_BATCH_POLLS } from '../live-batch.ts'

const MAX_BODY_BYTES = 512 * 1024

const pollSchema = z.strictObject({
  shape: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'is not the name of a shape'),
  query: z
    .string()
    .max(8_192)
    .refine((query) => !query.includes('#'), 'holds a #')
    .refine(isLive, 'is no live long poll: ask for it by itself'),
})

const batchSchema = z.strictObject({
  polls: z.array(pollSchema).min(1).max(MAX_BATCH_POLLS),
})

function isLive(query: string): boolean {
  const params = new URLSearchParams(query)
  return params.get('live') === 'true' && !params.has('live_sse') && !query.includes('_live_sse')
}

/**
 * Reads the polls of a batch. What is in their queries is judged where a single request's is.
 *
 * @throws SessionDbError `invalid` or `too_large`.
 */
export async function readLiveBatch(request: Request): Promise<readonly LivePoll[]> {
  const parsed = batchSchema.safeParse(await readJsonBody(request, MAX_BODY_BYTES))
  if (parsed.success) return parsed.data.polls
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.') || 'The batch'
  // The names of fields are the client's own text, which has no business in an answer or a log.
  const what = issue?.code === 'unrecognized_keys' ? 'has a field too many' : issue?.message
  throw new SessionDbError('invalid', `${where}: ${what ?? 'is not valid'}`)
}
