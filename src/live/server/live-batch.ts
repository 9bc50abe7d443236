import type { Principal } from '../../schema/principal.ts'
import { failureResponse } from '../../server/failure-response.ts'
import {
  createProgress,
  logProgress,
  noteAuthenticated,
  type Progress,
  type ShapeLogger,
} from '../../server/proxy/log-entry.ts'
import type { DigestOf } from '../../server/proxy/principal-digest.ts'
import { isJsonRequest } from '../../server/write-handler/read-json-body.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { LIVE_BATCH_NAME, LIVE_BATCH_TYPE } from '../live-batch.ts'
import { encodeJsonFrame, frameType } from '../live-frames.ts'
import { PRINCIPAL_HEADER } from '../principal-header.ts'
import { createFrameStream } from './frame-stream.ts'
import { readLiveBatch } from './live-batch-request.ts'
import { followLane } from './live-lane.ts'

const ALLOW = 'POST, OPTIONS'
const LONGEST_MS = 60_000

/** What the batch endpoint is made of. */
export interface LiveBatchOptions<P extends Principal = Principal> {
  /** Says who sends a request, or rejects with the error to answer; `onError` hears why. */
  readonly authenticate: (request: Request, onError: (reason: string) => void) => Promise<P>
  /** What browsers tell principals apart by. */
  readonly digestOf: DigestOf<P>
  /** Answers a single shape request: each poll of a batch goes through it, each time. */
  readonly serveShape: (request: Request) => Promise<Response>
  /** Hears of a batch that is refused as a whole: none of its polls is ever served. */
  readonly logger?: ShapeLogger
}

/** Whether a request is for the batch endpoint, whatever its method. */
export function isLiveBatch(request: Request): boolean {
  const name = `/${LIVE_BATCH_NAME}`
  return request.url.includes(name) && new URL(request.url).pathname.endsWith(name)
}

/**
 * Serves many live polls over one connection: `POST <shapes>/_live` with `{ polls: [{ shape, query
 * }] }`. Each poll is answered exactly as a GET of its own would be, as soon as its shape has news,
 * and asked on from where the answer ends. The answer is a stream of frames that ends by itself
 * after a minute; the client then asks again. Holds nothing between requests, so any instance can
 * serve any batch.
 */
export function createLiveBatch<P extends Principal>({
  authenticate,
  digestOf,
  serveShape,
  logger,
}: LiveBatchOptions<P>) {
  return async (request: Request): Promise<Response> => {
    if (request.method === 'OPTIONS') {
      return new Response(null, { status: 204, headers: { allow: ALLOW } })
    }
    const progress = createProgress(request.method)
    progress.live = true
    const response = await answer(request, progress)
    if (response.ok) return response
    const { reason = 'unexpected error' } = progress
    logProgress(logger, progress, response.status, `live batch: ${reason}`)
    return response
  }

  async function answer(request: Request, progress: Progress): Promise<Response> {
    const refuse = (status: number, message: string, headers = {}) => {
      progress.reason = message
      return failureResponse(new SessionDbError('invalid', message), headers, status)
    }
    if (request.method !== 'POST') {
      return refuse(405, `Live shapes are asked for with ${ALLOW}.`, { allow: ALLOW })
    }
    // What a form of another site can send never gets as far as the user's sign-in.
    if (!isJsonRequest(request)) return refuse(415, 'Send the batch as application/json.')
    try {
      return await answerBatch(request, progress)
    } catch (error) {
      if (error instanceof SessionDbError) progress.reason ??= error.message
      return failureResponse(error)
    }
  }

  async function answerBatch(request: Request, progress: Progress): Promise<Response> {
    const asker = await authenticate(request, (reason) => {
      progress.reason = reason
    })
    noteAuthenticated(progress, asker)
    const principal = await digestOf(asker)
    const polls = await readLiveBatch(request)
    const frames = createFrameStream(request.signal)
    const deadline = new AbortController()
    const ending = setTimeout(() => deadline.abort(), LONGEST_MS * (0.8 + 0.2 * Math.random()))
    const { origin, pathname } = new URL(request.url)
    const url = `${origin}${pathname.slice(0, -LIVE_BATCH_NAME.length)}`
    const headers = headersOfOne(request.headers)
    const serve = ({ shape, query }: (typeof polls)[number], signal: AbortSignal) =>
      serveShape(new Request(`${url}${shape}?${query}`, { headers, signal }))

    void frames.send(encodeJsonFrame(frameType.hello, 0, { principal }))
    const lanes = polls.map((poll, index) =>
      followLane({ serve, frames, deadline: deadline.signal }, index, poll),
    )
    void Promise.all(lanes).finally(() => {
      clearTimeout(ending)
      frames.close()
    })
    return new Response(frames.body, {
      headers: {
        'content-type': LIVE_BATCH_TYPE,
        // Frames must arrive when they are sent: no compression, no buffer of a reverse proxy.
        'cache-control': 'private, no-store, no-transform',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        [PRINCIPAL_HEADER]: principal,
        'access-control-expose-headers': PRINCIPAL_HEADER,
      },
    })
  }
}

/** The batch's headers as a GET would carry them: who asks, and whatever else the app looks at. */
function headersOfOne(batch: Headers): Headers {
  const headers = new Headers(batch)
  for (const name of ['content-length', 'content-type', 'if-none-match', 'transfer-encoding']) {
    headers.delete(name)
  }
  return headers
}
