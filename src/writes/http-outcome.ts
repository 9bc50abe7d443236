import { codeOfStatus, type ErrorCode, SessionDbError } from '../errors.ts'
import { type WriteOutcome, writeOutcomeSchema } from './result.ts'
import { retryAfterMs } from './retry-after.ts'

/**
 * Reads the answer to a batch, whoever gave it: the write handler, or something in front of it that
 * answers with a page. A Retry-After comes along as `details.retryAfterMs`.
 *
 * @throws SessionDbError with the code that belongs to the status, when the answer is not the
 * handler's: `details` has `status` and `contentType`.
 */
export async function readOutcome(response: Response, url: string): Promise<WriteOutcome> {
  const waitMs = retryAfterMs(response.headers.get('retry-after'))
  const wait = waitMs === undefined ? {} : { retryAfterMs: waitMs }
  const outcome = writeOutcomeSchema.safeParse(parseJson(await response.text()))
  if (!outcome.success) throw notOurs(response, url, wait)
  if (!('error' in outcome.data) || waitMs === undefined) return outcome.data
  const { details, ...error } = outcome.data.error
  return { error: { ...error, details: { ...details, ...wait } } }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function notOurs({ status, headers }: Response, url: string, more: object): SessionDbError {
  const contentType = headers.get('content-type')
  const what = contentType === null ? 'nothing that can be read' : contentType
  return new SessionDbError(
    codeOf(status),
    `${url} answered ${status} with ${what}, not with the JSON of a write handler. ${adviceFor(status)}`,
    { details: { status, contentType, ...more } },
  )
}

function codeOf(status: number): ErrorCode {
  // A page where the handler should be is no row that is missing.
  if (status >= 500 || status === 408 || status < 400) return 'unavailable'
  if (status === 404) return 'invalid'
  return codeOfStatus(status) ?? 'invalid'
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403) return 'Sign in, then try again.'
  if (status >= 500 || status === 429 || status === 408) return 'Try again with the same batch id.'
  return 'Check the URL of the write route, and what is in front of it.'
}
