import { codeOfStatus, type ErrorCode, SessionDbError } from '../errors.ts'
import type { WriteAdapter } from './adapter.ts'
import { type WriteOutcome, writeOutcomeSchema } from './result.ts'
import { retryAfterMs } from './retry-after.ts'
import { createSignIn, type RefreshSignIn, type RequestHeaders, resolveHeaders } from './sign-in.ts'

/** Where and how `createHttpWriteAdapter` posts. */
export interface HttpWriteAdapterOptions {
  /** The URL of the app's write route, absolute or relative to the page. */
  readonly url: string
  /** Extra headers. A function is called for every request, for example to read the latest bearer token. */
  readonly headers?: RequestHeaders
  /** Sends the requests. Default `fetch`. */
  readonly fetchClient?: typeof fetch
  /** How long one request may take, in ms. Default 30,000. */
  readonly timeoutMs?: number
  /**
   * Called when the server answers 401, once for all requests that hear it at a time; each is then
   * sent once more. What it returns is added to the headers of later requests. Not called where
   * `createSessionCollections` has an `onUnauthenticated`: that one answers for writes, too.
   */
  readonly onUnauthenticated?: RefreshSignIn
}

/**
 * Posts each batch as JSON to one URL, the counterpart of `createWriteHandler` on the server. It sends
 * once; `withRetries`, which `createSessionCollections` applies by itself, sends again.
 *
 * The adapter rejects with `unavailable` when the server cannot be reached or does not answer in
 * time, with the code that belongs to the status when the answer is none of the handler's, and with
 * the signal's reason when the caller aborts.
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

  return async (batch, { signal, headers } = {}) => {
    signal?.throwIfAborted()
    const body = JSON.stringify(batch)
    const response =
      headers === undefined
        ? await signIn.keep(() => post(body, signal, signIn.headers()))
        : await post(body, signal, headers)
    return readOutcome(response, url)
  }
}

/** The response once all of it is here: a connection may break in the middle of an answer. */
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
