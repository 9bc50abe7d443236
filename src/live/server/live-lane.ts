import { followingPoll, type LivePoll } from '../live-batch.ts'
import { encodeFrame, encodeJsonFrame, frameType } from '../live-frames.ts'
import type { FrameStream } from './frame-stream.ts'

/** An answer that leaves the poll where it was must have been waited for at least so long, in ms. */
const MIN_STANDSTILL_MS = 1_000
/** Headers that say nothing about the shape, and only cost bytes in every frame. */
const LEFT_OUT = /^(?:access-control-|cache-control$|content-length$|vary$|x-content-type-options$)/

/** What following one poll of a batch needs. */
export interface LaneContext {
  /** Answers a single request, as it is answered outside a batch. */
  readonly serve: (poll: LivePoll, signal: AbortSignal) => Promise<Response>
  readonly frames: FrameStream
  /** Aborted when the batch should end: what waits is let go, what is being sent is finished. */
  readonly deadline: AbortSignal
}

/**
 * Answers one poll of a batch and goes on from where each answer ends, as the client would. Each
 * round is a request of its own: authenticated, resolved and refused like any other.
 */
export async function followLane(context: LaneContext, index: number, first: LivePoll) {
  const { frames, deadline } = context
  let poll: LivePoll | undefined = first
  while (poll !== undefined && !deadline.aborted && !frames.signal.aborted) {
    poll = await answerOnce(context, index, poll)
  }
}

async function answerOnce(
  { serve, frames, deadline }: LaneContext,
  index: number,
  poll: LivePoll,
): Promise<LivePoll | undefined> {
  const letGo = new AbortController()
  const stop = () => letGo.abort()
  deadline.addEventListener('abort', stop)
  frames.signal.addEventListener('abort', stop)
  try {
    const asked = performance.now()
    const response = await serve(poll, letGo.signal)
    deadline.removeEventListener('abort', stop)
    if (letGo.signal.aborted) {
      await response.body?.cancel()
      return undefined
    }
    if (response.type === 'error') {
      await frames.send(encodeFrame(frameType.broken, index))
      return undefined
    }
    const following = response.status === 200 ? followingPoll(poll, response.headers) : undefined
    const goesOn =
      following !== undefined &&
      (isFurther(poll, following) || performance.now() - asked >= MIN_STANDSTILL_MS)
    await sendAnswer(frames, index, response, goesOn)
    return goesOn ? following : undefined
  } catch {
    await frames.send(encodeFrame(frameType.broken, index))
    return undefined
  } finally {
    deadline.removeEventListener('abort', stop)
    frames.signal.removeEventListener('abort', stop)
  }
}

async function sendAnswer(
  frames: FrameStream,
  index: number,
  response: Response,
  goesOn: boolean,
): Promise<void> {
  const headers = [...response.headers].filter(([name]) => !LEFT_OUT.test(name))
  const head = encodeJsonFrame(frameType.head, index, { status: response.status, headers })
  let unsent = [head]
  for await (const chunk of response.body ?? []) {
    await frames.send(...unsent, encodeFrame(frameType.data, index, chunk))
    unsent = []
  }
  await frames.send(...unsent, encodeFrame(goesOn ? frameType.end : frameType.last, index))
}

/** Whether an answer has moved on, so that asking again at once is no empty loop. */
function isFurther(before: LivePoll, after: LivePoll): boolean {
  const offset = (poll: LivePoll) => new URLSearchParams(poll.query).get('offset')
  return offset(before) !== offset(after)
}
