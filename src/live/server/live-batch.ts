import * as z from 'zod/mini'
import { validate } from '../../schema/validate.ts'
import { failureResponse } from '../../server/http/failure-response.ts'
import { isJsonRequest, readJsonBody } from '../../server/http/json-body.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { encodeFrame, encodeJsonFrame, FRAME_TYPE } from '../frames.ts'
import {
  followingPoll,
  LIVE_BATCH_NAME,
  LIVE_BATCH_TYPE,
  type LivePoll,
  MAX_BATCH_POLLS,
  PRINCIPAL_HEADER,
} from '../protocol.ts'
import { createFrameStream, type FrameStream } from './frame-stream.ts'

const ALLOW = 'POST, OPTIONS'
const MAX_BODY_BYTES = 512 * 1024
/** The server ends a batch after this time (minus up to 20 % jitter); the client then sends the next. */
const MAX_BATCH_MS = 60_000
/** Below this, a response that does not advance the offset ends the poll, so it cannot become a busy loop. */
const MIN_IDLE_POLL_MS = 1_000
/** Headers unrelated to the shape, which would add bytes to every frame. */
const OMITTED_HEADERS =
  /^(?:access-control-|cache-control$|content-length$|vary$|x-content-type-options$)/

/** The server's side of the batch endpoint. */
export interface LiveBatchOptions {
  /** Ends the batch, as after a minute, when it is aborted. */
  readonly ended?: AbortSignal
  /** Authenticates a batch; rejects with the error to respond with. */
  readonly identify: (request: Request) => Promise<{
    /** Digest of the principal. */
    readonly digest: string
    /** Counts the batch as so many requests, or throws the error to respond with. */
    readonly count?: (polls: number) => Promise<void>
    /**
     * Serves a single shape request. Every poll of the batch goes through it, in every round.
     *
     * @param isCounted True in the first round.
     */
    readonly serveShape: ServeShape
  }>
}

type ServeShape = (request: Request, isCounted: boolean) => Promise<Response>

/** The response to a batch; `reason` is set for the log when the batch was refused as a whole. */
export interface LiveBatchAnswer {
  readonly response: Response
  readonly reason?: string | undefined
}

/** Recognises requests for the batch endpoint, whatever their method. */
export function isLiveBatch(request: Request): boolean {
  const name = `/${LIVE_BATCH_NAME}`
  return request.url.includes(name) && new URL(request.url).pathname.endsWith(name)
}

/**
 * Serves many live polls over one connection: `POST <shapes>/_live` with `{ polls: [{ shape, query
 * }] }`. Each poll gets the response that its own GET would get, as soon as its shape has news, and
 * is then continued from where that response ends. The response is a stream of frames that ends
 * after a minute; the client then sends the next batch. No state is kept between requests, so any
 * instance can serve any batch.
 */
export async function answerLiveBatch(
  request: Request,
  { identify, ended }: LiveBatchOptions,
): Promise<LiveBatchAnswer> {
  const { method } = request
  if (method === 'OPTIONS') {
    return { response: new Response(null, { status: 204, headers: { allow: ALLOW } }) }
  }
  if (method !== 'POST') {
    return refuse(405, `Live shapes are requested with ${ALLOW}.`, { allow: ALLOW })
  }
  if (ended?.aborted) return refuseEnded()
  // Checked before authentication: a form of another site can only send other types.
  if (!isJsonRequest(request)) return refuse(415, 'Send the batch as application/json.')
  try {
    const { digest, count, serveShape } = await identify(request)
    const polls = await readPolls(request)
    await count?.(polls.length)
    return { response: servePolls(request, { polls, principal: digest, serveShape, ended }) }
  } catch (error) {
    const response = failureResponse(error)
    return error instanceof SessionDbError ? { response, reason: error.message } : { response }
  }
}

interface ServedPolls {
  readonly polls: readonly LivePoll[]
  readonly principal: string
  readonly serveShape: ServeShape
  readonly ended: AbortSignal | undefined
}

function servePolls(
  request: Request,
  { polls, principal, serveShape, ended }: ServedPolls,
): Response {
  const frames = createFrameStream(request.signal)
  const deadline = new AbortController()
  const end = () => deadline.abort()
  const ending = setTimeout(end, MAX_BATCH_MS * (0.8 + 0.2 * Math.random()))
  ended?.addEventListener('abort', end)
  const { origin, pathname } = new URL(request.url)
  const url = `${origin}${pathname.slice(0, -LIVE_BATCH_NAME.length)}`
  const headers = singleRequestHeaders(request.headers)
  const serve = ({ shape, query }: LivePoll, signal: AbortSignal, isFirst: boolean) =>
    serveShape(new Request(`${url}${shape}?${query}`, { headers, signal }), isFirst)

  void frames.send(encodeJsonFrame(FRAME_TYPE.hello, 0, { principal }))
  const following = polls.map((poll, index) =>
    followPoll({ serve, frames, deadline: deadline.signal }, index, poll),
  )
  void Promise.all(following).finally(() => {
    clearTimeout(ending)
    ended?.removeEventListener('abort', end)
    frames.close()
  })
  return new Response(frames.body, {
    headers: {
      'content-type': LIVE_BATCH_TYPE,
      // Frames must arrive when they are sent: no compression, no buffering in a reverse proxy.
      'cache-control': 'private, no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      [PRINCIPAL_HEADER]: principal,
      'access-control-expose-headers': PRINCIPAL_HEADER,
    },
  })
}

function refuseEnded(): LiveBatchAnswer {
  const error = new SessionDbError('unavailable', 'The server is shutting down. Try again.')
  return { response: failureResponse(error, { 'retry-after': '1' }), reason: error.message }
}

function refuse(status: number, message: string, headers = {}): LiveBatchAnswer {
  const error = new SessionDbError('invalid', message)
  return { response: failureResponse(error, headers, status), reason: message }
}

/** The batch's headers as a GET would carry them: credentials, and whatever else the app reads. */
function singleRequestHeaders(batch: Headers): Headers {
  const headers = new Headers(batch)
  for (const name of ['content-length', 'content-type', 'if-none-match', 'transfer-encoding']) {
    headers.delete(name)
  }
  return headers
}

const pollSchema = z.strictObject({
  shape: z
    .string()
    .check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'is not the name of a shape')),
  query: z.string().check(
    z.maxLength(8_192),
    z.refine((query) => !query.includes('#'), 'holds a #'),
    z.refine(isLive, 'is not a live long poll: send it as a separate request'),
  ),
})

const batchSchema = z.strictObject({
  polls: z.array(pollSchema).check(z.minLength(1), z.maxLength(MAX_BATCH_POLLS)),
})

function isLive(query: string): boolean {
  const params = new URLSearchParams(query)
  return params.get('live') === 'true' && !params.has('live_sse') && !query.includes('_live_sse')
}

/** Reads the polls of a batch. Their queries are validated where a single request's query is. */
async function readPolls(request: Request): Promise<readonly LivePoll[]> {
  const parsed = validate(batchSchema, await readJsonBody(request, MAX_BODY_BYTES))
  if (parsed.success) return parsed.data.polls
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.') || 'The batch'
  // Field names are the client's own text, so neither the response nor the log repeats them.
  const what = issue?.code === 'unrecognized_keys' ? 'has an unknown field' : issue?.message
  throw new SessionDbError('invalid', `${where}: ${what ?? 'is not valid'}`)
}

interface PollContext {
  readonly serve: (poll: LivePoll, signal: AbortSignal, isFirst: boolean) => Promise<Response>
  readonly frames: FrameStream
  /** Aborted when the batch should end: waiting polls are dropped, started responses are finished. */
  readonly deadline: AbortSignal
}

/**
 * Serves one poll of a batch and continues it from the end of each response, as the client would.
 * Each round is a separate request: authenticated, resolved and refused like any other.
 */
async function followPoll(context: PollContext, index: number, first: LivePoll): Promise<void> {
  const { frames, deadline } = context
  let poll: LivePoll | undefined = first
  while (poll !== undefined && !deadline.aborted && !frames.signal.aborted) {
    poll = await answerOnce(context, index, poll, poll === first)
  }
}

/** @returns the poll to continue with, if any */
async function answerOnce(
  { serve, frames, deadline }: PollContext,
  index: number,
  poll: LivePoll,
  isFirst: boolean,
): Promise<LivePoll | undefined> {
  const aborter = new AbortController()
  const stop = () => aborter.abort()
  deadline.addEventListener('abort', stop)
  frames.signal.addEventListener('abort', stop)
  try {
    const startedAt = performance.now()
    const response = await serve(poll, aborter.signal, isFirst)
    deadline.removeEventListener('abort', stop)
    if (aborter.signal.aborted) {
      await response.body?.cancel()
      return undefined
    }
    if (response.type === 'error') {
      await frames.send(encodeFrame(FRAME_TYPE.broken, index))
      return undefined
    }
    const following = response.status === 200 ? followingPoll(poll, response.headers) : undefined
    const continues =
      following !== undefined &&
      (hasAdvanced(poll, following) || performance.now() - startedAt >= MIN_IDLE_POLL_MS)
    await sendResponse(frames, index, response, continues)
    return continues ? following : undefined
  } catch {
    await frames.send(encodeFrame(FRAME_TYPE.broken, index))
    return undefined
  } finally {
    deadline.removeEventListener('abort', stop)
    frames.signal.removeEventListener('abort', stop)
  }
}

async function sendResponse(
  frames: FrameStream,
  index: number,
  response: Response,
  continues: boolean,
): Promise<void> {
  const headers = [...response.headers].filter(([name]) => !OMITTED_HEADERS.test(name))
  const head = encodeJsonFrame(FRAME_TYPE.head, index, { status: response.status, headers })
  let unsent = [head]
  for await (const chunk of response.body ?? []) {
    await frames.send(...unsent, encodeFrame(FRAME_TYPE.data, index, chunk))
    unsent = []
  }
  await frames.send(...unsent, encodeFrame(continues ? FRAME_TYPE.end : FRAME_TYPE.last, index))
}

function hasAdvanced(before: LivePoll, after: LivePoll): boolean {
  const offset = (poll: LivePoll) => new URLSearchParams(poll.query).get('offset')
  return offset(before) !== offset(after)
}
