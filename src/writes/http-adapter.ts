import { codeOfStatus, type ErrorCode, SessionDbError } from '../errors.ts'
import type { WriteAdapter, WriteAdapterOptions } from './adapter.ts'
import type { WriteBatchInput } from './batch.ts'
import { fromWriteFailure } from './errors.ts'
import { type WriteOutcome, writeOutcomeSchema, writeOutcomesSchema } from './result.ts'
import { retryAfterMs } from './retry-after.ts'
import { createSignIn, type RefreshSignIn, type RequestHeaders, resolveHeaders } from './sign-in.ts'

/** Options of `createHttpWriteAdapter`. */
export interface HttpWriteAdapterOptions {
  /** The URL of the app's write route, absolute or relative to the page. */
  readonly url: string
  /** Extra headers. A function is called for every request, for example to read the latest bearer token. */
  readonly headers?: RequestHeaders
  /** Sends the requests. Default `fetch`. */
  readonly fetchClient?: typeof fetch
  /** The timeout of one request, in ms. Default 30,000. */
  readonly timeoutMs?: number
  /**
   * Called when the server responds with 401, once for concurrent requests; each request is then resent once.
   * The headers it returns are added to later requests. It isn't called if `createSessionCollections` has an
   * `onUnauthenticated`, which covers writes too.
   */
  readonly onUnauthenticated?: RefreshSignIn
}

/**
 * Creates an adapter that posts each batch as JSON to the URL of a `createWriteHandler`. It sends a batch once;
 * `createSessionCollections` adds retries with `withRetries`.
 *
 * The adapter rejects with `unavailable` if the server can't be reached or doesn't respond in time, with the
 * code for the HTTP status if the response isn't the handler's, and with the signal's reason if the caller
 * aborts.
 *
 * @example
 * const writeAdapter = createHttpWriteAdapter({ url: '/api/write' })
 */
export function createHttpWriteAdapter(options: HttpWriteAdapterOptions): WriteAdapter {
  const { url, timeoutMs = 30_000 } = options
  const signIn = createSignIn(options.onUnauthenticated)

  async function post(
    body: string,
    caller: AbortSignal | undefined,
    signedIn: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const send = options.fetchClient ?? fetch
    const headers = new Headers(await resolveHeaders(options.headers))
    headers.set('content-type', 'application/json')
    for (const [name, value] of Object.entries(signedIn)) headers.set(name, value)
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = caller === undefined ? timeout : AbortSignal.any([caller, timeout])
    try {
      return await whole(
        await send(url, {
          method: 'POST',
          headers,
          body,
          signal,
        }),
      )
    } catch (cause) {
      caller?.throwIfAborted()
      throw unanswered(url, timeout.aborted ? timeoutMs : undefined, cause)
    }
  }

  async function send(
    value: unknown,
    { signal, headers }: WriteAdapterOptions = {},
  ): Promise<Response> {
    signal?.throwIfAborted()
    const body = JSON.stringify(value)
    if (headers !== undefined) return post(body, signal, headers)
    return signIn.keep(() => post(body, signal, signIn.headers()))
  }

  return Object.assign(
    (async (batch, more) => readOutcome(await send(batch, more), url)) satisfies WriteAdapter,
    {
      async sendAll(batches: readonly WriteBatchInput[], more?: WriteAdapterOptions) {
        const response = await send(batches, more)
        if (!response.ok) throw failureIn(await readOutcome(response, url), url)
        const outcomes = writeOutcomesSchema.safeParse(parseJson(await response.text()))
        if (outcomes.success) return outcomes.data
        throw new SessionDbError('invalid', `${url} did not answer a list of batches with a list.`)
      },
    },
  )
}

function failureIn(outcome: WriteOutcome, url: string): SessionDbError {
  if ('error' in outcome) return fromWriteFailure(outcome)
  return new SessionDbError('invalid', `${url} did not answer a list of batches with a list.`)
}

/** Reads the whole body, so that a connection that breaks halfway rejects here. */
async function whole(response: Response): Promise<Response> {
  const { status, statusText, headers } = response
  const body = await response.arrayBuffer()
  return new Response(body.byteLength === 0 ? null : body, { status, statusText, headers })
}

function unanswered(url: string, timeoutMs: number | undefined, cause: unknown): SessionDbError {
  const what =
    timeoutMs === undefined ? 'could not be reached' : `did not answer within ${timeoutMs} ms`
  return new SessionDbError(
    'unavailable',
    `${url} ${what}. The write may or may not have been made: try again with the same batch id.`,
    { cause },
  )
}

/**
 * Reads the response to a batch. A Retry-After header is added as `details.retryAfterMs`.
 *
 * @throws SessionDbError with the code for the HTTP status if the response isn't the write handler's but, for
 * example, an HTML page of a gateway; `details` has `status` and `contentType`
 */
async function readOutcome(response: Response, url: string): Promise<WriteOutcome> {
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
  // A 404 page means that the URL is wrong, not that a row is missing.
  if (status >= 500 || status === 408 || status < 400) return 'unavailable'
  if (status === 404) return 'invalid'
  return codeOfStatus(status) ?? 'invalid'
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403) return 'Sign in, then try again.'
  if (status >= 500 || status === 429 || status === 408) return 'Try again with the same batch id.'
  return 'Check the URL of the write route and the proxies in front of it.'
}
