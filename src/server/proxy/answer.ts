import { SessionDbError } from '../../writes/errors.ts'
import { failureResponse } from '../failure-response.ts'
import { answerHeaders } from './answer-headers.ts'
import { describeError } from './describe-error.ts'
import { readRefusal } from './upstream-refusal.ts'

const MUST_REFETCH = JSON.stringify([{ headers: { control: 'must-refetch' } }])
const CLIENT_GONE = 499
const TRY_AGAIN = 'The sync service cannot answer just now. Try again.'

/** What the client gets, and for the log why it is not what was asked for. */
export interface Answer {
  readonly response: Response
  readonly reason?: string
}

/**
 * Turns Electric's answer into the client's. A good body is passed on as it streams; of an error
 * only the status is kept, as its text can name tables and conditions.
 */
export async function answerFrom(
  upstream: Response,
  { live, isHead }: { readonly live: boolean; readonly isHead: boolean },
): Promise<Answer> {
  const { status } = upstream
  if (status === 200) {
    return {
      response: new Response(upstream.body, { headers: answerHeaders(upstream.headers, live) }),
    }
  }
  if (status === 400) return answerRefusal(await readRefusal(upstream, isHead))
  await upstream.body?.cancel()
  if (status === 304) {
    return {
      response: new Response(null, { status, headers: answerHeaders(upstream.headers, live) }),
    }
  }
  if (status === 409) return { response: mustRefetch(upstream.headers) }
  if (status === 429 || status === 503) {
    return {
      response: unavailable(503, retryAfter(upstream.headers)),
      reason: `Electric is not ready (${status})`,
    }
  }
  return { response: unavailable(502), reason: reasonFor(status) }
}

/** The answer when there is none of Electric: it could not be reached, or nobody waits any more. */
export function answerWithoutUpstream(error: unknown, client: AbortSignal): Answer {
  if (client.aborted) {
    return { response: new Response(null, { status: CLIENT_GONE }), reason: 'the client has gone' }
  }
  return {
    response: unavailable(502),
    reason: `Electric cannot be reached: ${describeError(error)}`,
  }
}

function answerRefusal(refusal: Awaited<ReturnType<typeof readRefusal>>): Answer {
  if (!refusal.clientsFault) return { response: unavailable(502), reason: refusal.reason }
  const message = `${refusal.reason}. Correct it, or start again with offset=-1.`
  return { response: failureResponse(new SessionDbError('invalid', message)), reason: message }
}

function mustRefetch(upstream: Headers): Response {
  const headers = answerHeaders(upstream, true)
  headers.set('content-type', 'application/json; charset=utf-8')
  headers.delete('etag')
  return new Response(MUST_REFETCH, { status: 409, headers })
}

function unavailable(status: 502 | 503, retryAfterSeconds = '1'): Response {
  const headers = { 'retry-after': retryAfterSeconds, vary: 'Cookie, Authorization' }
  return failureResponse(new SessionDbError('unavailable', TRY_AGAIN), headers, status)
}

function retryAfter(upstream: Headers): string {
  const seconds = upstream.get('retry-after') ?? ''
  return /^\d{1,4}$/.test(seconds) ? seconds : '5'
}

function reasonFor(status: number): string {
  if (status === 401 || status === 403) {
    return `Electric refused the secret (${status}); check ELECTRIC_SECRET`
  }
  return `Electric answered with status ${status}`
}
