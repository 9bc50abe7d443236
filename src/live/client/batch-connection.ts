import { createFrameReader, FRAME_TYPE, type Frame, joinBytes, readJsonPayload } from '../frames.ts'
import { LIVE_BATCH_TYPE, type LivePoll } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'

/** How a batch ended. */
export type BatchEnd =
  /** The server closed it in good order: poll again for what is open. */
  | { readonly reason: 'finished' }
  /** The network broke, or heartbeats stopped. */
  | { readonly reason: 'lost' }
  /** The server refused the whole batch; the response applies to each poll. */
  | { readonly reason: 'refused'; readonly answer: LiveAnswer }
  /** The server has no batch endpoint. */
  | { readonly reason: 'unsupported' }
  /** Not accepted in time: the server is slow, or a reverse proxy buffers responses. */
  | { readonly reason: 'silent' }

/** Options of `openBatch`. */
export interface BatchOptions {
  readonly url: string
  readonly polls: readonly LivePoll[]
  readonly send: typeof fetch
  readonly headers: () => Promise<Record<string, string>>
  /** Timeout for the server to accept the batch, in ms. */
  readonly helloMs: number
  /** Timeout without any frame, in ms. The server sends a heartbeat every 15 s. */
  readonly silenceMs: number
  /** Called with a poll's response; `continues` when the server goes on polling from its end. */
  readonly onAnswer: (poll: number, answer: LiveAnswer, continues: boolean) => void
  /** Called when a poll's response was cut off. */
  readonly onBroken: (poll: number) => void
  /** Called once; not after `abort`. */
  readonly onEnd: (end: BatchEnd) => void
}

/** An open batch. */
export interface BatchConnection {
  /** True once the server has accepted the batch. */
  isAccepted(): boolean
  /** True while a response is arriving. */
  isBusy(): boolean
  abort(): void
}

const UNSUPPORTED = new Set([400, 403, 404, 405, 406, 411, 413, 415, 501])

interface PartialAnswer {
  readonly status: number
  readonly headers: [string, string][]
  readonly chunks: Uint8Array[]
}

/** Opens one connection for many polls. */
export function openBatch(options: BatchOptions): BatchConnection {
  const aborter = new AbortController()
  const arriving = new Map<number, PartialAnswer>()
  let accepted = false
  let done = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const end = (how: BatchEnd) => {
    if (done) return
    done = true
    clearTimeout(timer)
    aborter.abort()
    options.onEnd(how)
  }
  const restartTimer = () => {
    clearTimeout(timer)
    const limit = accepted ? options.silenceMs : options.helloMs
    timer = setTimeout(() => end({ reason: accepted ? 'lost' : 'silent' }), limit)
  }

  function take(frame: Frame): void {
    const partial = arriving.get(frame.poll)
    switch (frame.type) {
      case FRAME_TYPE.hello:
        accepted = true
        return
      case FRAME_TYPE.head: {
        const { status, headers } = readJsonPayload(frame) as Pick<
          PartialAnswer,
          'status' | 'headers'
        >
        arriving.set(frame.poll, { status, headers, chunks: [] })
        return
      }
      case FRAME_TYPE.data:
        partial?.chunks.push(frame.payload)
        return
      case FRAME_TYPE.end:
      case FRAME_TYPE.last: {
        if (partial === undefined) return
        arriving.delete(frame.poll)
        const { status, headers, chunks } = partial
        // A copy: a frame's payload is a view of everything that arrived with it.
        const body = joinBytes(chunks).slice()
        options.onAnswer(frame.poll, { status, headers, body }, frame.type === FRAME_TYPE.end)
        return
      }
      case FRAME_TYPE.broken:
        arriving.delete(frame.poll)
        options.onBroken(frame.poll)
    }
  }

  async function run(): Promise<BatchEnd> {
    const response = await options.send(options.url, {
      method: 'POST',
      headers: { ...(await options.headers()), 'content-type': 'application/json' },
      body: JSON.stringify({ polls: options.polls }),
      signal: aborter.signal,
    })
    if (!response.ok) {
      if (UNSUPPORTED.has(response.status)) return { reason: 'unsupported' }
      const body = new Uint8Array(await response.arrayBuffer())
      return {
        reason: 'refused',
        answer: { status: response.status, headers: [...response.headers], body },
      }
    }
    if (!response.headers.get('content-type')?.startsWith(LIVE_BATCH_TYPE)) {
      return { reason: 'unsupported' }
    }
    const read = createFrameReader()
    const reader = response.body?.getReader() // not every browser can iterate a stream
    for (;;) {
      const chunk = await reader?.read()
      if (chunk === undefined || chunk.done || done) break
      for (const frame of read(chunk.value)) if (!done) take(frame)
      if (!done) restartTimer()
    }
    return { reason: accepted ? 'finished' : 'lost' }
  }

  restartTimer()
  run().then(end, () => end({ reason: 'lost' }))
  return {
    isAccepted: () => accepted,
    isBusy: () => arriving.size > 0,
    abort() {
      done = true
      clearTimeout(timer)
      aborter.abort()
    },
  }
}
