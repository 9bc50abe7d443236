import { createFrameReader, FRAME_TYPE, type Frame, joinBytes, readJsonPayload } from '../frames.ts'
import { LIVE_BATCH_TYPE, type LivePoll } from '../protocol.ts'
import type { LiveAnswer } from './live-answer.ts'

/** How a batch ended. */
export type BatchEnd =
  /** The server has closed it in good order: ask again for what is open. */
  | { readonly reason: 'finished' }
  /** The network broke, or nothing was heard for too long. */
  | { readonly reason: 'lost' }
  /** The whole batch was answered with an error that concerns every poll alike. */
  | { readonly reason: 'refused'; readonly answer: LiveAnswer }
  /** There is no such endpoint here. */
  | { readonly reason: 'unsupported' }
  /** It was not accepted in time: the server is slow, or its answers are held back on the way. */
  | { readonly reason: 'silent' }

/** What opening a batch needs. */
export interface BatchOptions {
  readonly url: string
  readonly polls: readonly LivePoll[]
  readonly send: typeof fetch
  readonly headers: () => Promise<Record<string, string>>
  /** How long the server may take to accept the batch, in ms. */
  readonly helloMs: number
  /** How long nothing at all may be heard, in ms: the server pings every 15 seconds. */
  readonly silenceMs: number
  /** A poll is answered; `goesOn` when the server asks on by itself. */
  readonly onAnswer: (poll: number, answer: LiveAnswer, goesOn: boolean) => void
  /** The answer to a poll broke off. */
  readonly onBroken: (poll: number) => void
  /** Called once; not after `abort`. */
  readonly onEnd: (end: BatchEnd) => void
}

/** An open batch. */
export interface BatchConnection {
  /** Whether the server has accepted it. */
  isAccepted(): boolean
  /** Whether an answer is arriving just now. */
  isBusy(): boolean
  abort(): void
}

const NOT_HERE = new Set([400, 403, 404, 405, 406, 411, 413, 415, 501])

interface Head {
  readonly status: number
  readonly headers: [string, string][]
  readonly pieces: Uint8Array[]
}

/** Opens one connection that answers many polls. */
export function openBatch(options: BatchOptions): BatchConnection {
  const aborter = new AbortController()
  const arriving = new Map<number, Head>()
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
  const watch = () => {
    clearTimeout(timer)
    const limit = accepted ? options.silenceMs : options.helloMs
    timer = setTimeout(() => end({ reason: accepted ? 'lost' : 'silent' }), limit)
  }

  function take(frame: Frame): void {
    const head = arriving.get(frame.poll)
    switch (frame.type) {
      case FRAME_TYPE.hello:
        accepted = true
        return
      case FRAME_TYPE.head: {
        const { status, headers } = readJsonPayload(frame) as Pick<Head, 'status' | 'headers'>
        arriving.set(frame.poll, { status, headers, pieces: [] })
        return
      }
      case FRAME_TYPE.data:
        head?.pieces.push(frame.payload)
        return
      case FRAME_TYPE.end:
      case FRAME_TYPE.last: {
        if (head === undefined) return
        arriving.delete(frame.poll)
        const { status, headers, pieces } = head
        // A copy: the frame is a view on everything that arrived with it.
        const body = joinBytes(pieces).slice()
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
      if (NOT_HERE.has(response.status)) return { reason: 'unsupported' }
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
      const piece = await reader?.read()
      if (piece === undefined || piece.done || done) break
      for (const frame of read(piece.value)) if (!done) take(frame)
      if (!done) watch()
    }
    return { reason: accepted ? 'finished' : 'lost' }
  }

  watch()
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
