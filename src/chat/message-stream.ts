import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../errors.ts'
import type { JsonObject } from '../schema/fields.ts'
import {
  foldDelta,
  type StreamError,
  type StreamedContent,
  type StreamState,
} from '../schema/streamed-message.ts'
import { MAX_DELTAS, type MutationInput, type WriteBatchInput } from '../writes/batch.ts'
import { isTransient, toSessionDbError } from '../writes/errors.ts'
import type { WriteResult } from '../writes/result.ts'
import { pipeUIMessageStream, type UIMessageChunks } from './pipe-ui-message-stream.ts'

/** How a message is streamed. */
export interface MessageStreamOptions {
  /** Deltas go out at most this often, in ms. Default 150. */
  readonly flushMs?: number
  /** Without anything to say, the writer shows that it is there this often, in ms. Default 20,000. */
  readonly heartbeatMs?: number
  /** How long a delta is sent again while the server cannot be reached, in ms. Default 30,000. */
  readonly retryForMs?: number
}

/** A message that is being written, piece by piece. Everybody who may read it sees it grow. */
export interface MessageStream {
  /** The message's id. */
  readonly id: string
  /** All text so far, what had been stored before a resume included. */
  readonly content: string
  /** All parts so far; empty while there is nothing but text. */
  readonly parts: StreamedContent['parts']
  /**
   * Adds text to the answer. It goes out with what else comes within `flushMs`.
   *
   * @throws SessionDbError when the stream has ended, or broken: why the server refused it
   */
  append(delta: string): void
  /** Adds text to a part of another type, `reasoning` for example; a new one if the last is not. */
  appendTo(part: JsonObject & { readonly type: string }, delta: string): void
  /**
   * Adds an AI SDK `UIMessage` part as it is. It replaces the part of the same `toolCallId`, or of
   * the same type and `id`.
   */
  setPart(part: JsonObject & { readonly type: string }): void
  /** Resolves when all that has been appended is stored. */
  flush(): Promise<void>
  /**
   * Stores the rest and marks the message `complete`.
   *
   * @throws SessionDbError when the server refused it
   */
  finish(options?: { readonly metadata?: JsonObject }): Promise<WriteResult>
  /**
   * Stores the rest and marks the message `error`; what came stays. A stream that is broken or has
   * ended is left as it is.
   *
   * @param reason for people, and shown to them; it is kept as `metadata.stream.error`
   */
  fail(reason?: string | StreamError): Promise<void>
  /**
   * Writes the stream of an AI SDK result, then finishes; a stream that breaks off makes it fail.
   *
   * @example
   * await stream.pipe(streamText({ model, messages }).toUIMessageStream())
   */
  pipe(chunks: UIMessageChunks): Promise<void>
}

/** What the two sides, browser and server, each know how to do. */
export interface MessageStreamContext {
  readonly id: string
  readonly writer: string
  /** Number of the first delta; 0 for a new message. */
  readonly seq?: number
  /** What there is of the message already; nothing for a new one. */
  readonly before?: StreamedContent
  /** The message's metadata, without `stream`. */
  readonly metadata: JsonObject
  /** Writes one batch. */
  readonly write: (batch: WriteBatchInput) => Promise<WriteResult>
  /** Resolves with the reason when the message itself could not be made. */
  readonly refused?: Promise<unknown>
  readonly options: MessageStreamOptions
}

/** Text beyond this is not held back until the next flush, in UTF-16 units. */
const FULL = 16_384
const MAX_RETRY_DELAY_MS = 4_000

/** Creates the stream of a message that has been begun, or resumed, by this writer. */
export function createMessageStream(context: MessageStreamContext): MessageStream {
  const { id, writer, metadata } = context
  const { flushMs = 150, heartbeatMs = 20_000, retryForMs = 30_000 } = context.options
  const buffer = createDeltaBuffer()
  let { seq = 0, before: state = { content: '', parts: [] } } = context
  let broken: SessionDbError | undefined
  let ended = false
  let sending: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let lastSent = Number.NEGATIVE_INFINITY

  void context.refused?.then(breakOff)

  function breakOff(error: unknown): void {
    broken ??= toSessionDbError(error, 'The message could not be written. Try again.')
    clearTimeout(timer)
  }

  function add(delta: OutgoingDelta): void {
    if (broken !== undefined) throw broken
    if (ended) throw new SessionDbError('conflict', 'This stream has ended. Begin another message.')
    state = foldDelta(state, delta)
    buffer.add(delta)
    schedule()
  }

  /** The first delta after a pause goes at once; those that follow share a flush. */
  function schedule(): void {
    if (ended || broken !== undefined || sending !== undefined) return
    clearTimeout(timer)
    const isFull = buffer.length >= FULL
    const sinceLast = performance.now() - lastSent
    const wait = buffer.isEmpty ? heartbeatMs : isFull ? 0 : Math.max(0, flushMs - sinceLast)
    timer = setTimeout(() => void send(), wait)
    if (typeof timer === 'object' && buffer.isEmpty) timer.unref?.()
  }

  function send(): Promise<void> {
    clearTimeout(timer)
    sending ??= sendBuffered().finally(() => {
      sending = undefined
      schedule()
    })
    return sending
  }

  async function sendBuffered(): Promise<void> {
    if (broken !== undefined) return
    lastSent = performance.now()
    const deltas = buffer.isEmpty ? [{ delta: '' }] : buffer.take(MAX_DELTAS)
    try {
      await write([appendOf(deltas)])
      seq += deltas.length
    } catch (error) {
      breakOff(error)
    }
  }

  function appendOf(deltas: OutgoingDelta[]): MutationInput {
    return { collection: 'chatMessages', type: 'append', id, writer, seq, deltas }
  }

  /** Sends the same batch until the server has answered it, one way or the other. */
  async function write(mutations: MutationInput[]): Promise<WriteResult> {
    const batch = { id: uuidv7(), mutations }
    const deadline = performance.now() + retryForMs
    for (let delay = 100; ; delay = Math.min(2 * delay, MAX_RETRY_DELAY_MS)) {
      try {
        return await context.write(batch)
      } catch (error) {
        if (!isTransient(error) || performance.now() + delay > deadline) throw error
      }
      await pause(delay * (0.5 + Math.random() / 2))
    }
  }

  async function flush(): Promise<void> {
    while (sending !== undefined || (!buffer.isEmpty && broken === undefined)) await send()
    if (broken !== undefined) throw broken
  }

  /** The last deltas go with the change that ends the message: one transaction, one round trip. */
  async function end(status: 'complete' | 'error', changes: JsonObject): Promise<WriteResult> {
    ended = true
    clearTimeout(timer)
    while ((buffer.length > FULL || buffer.count > MAX_DELTAS) && broken === undefined) await send()
    await sending
    if (broken !== undefined) throw broken
    const rest = buffer.isEmpty ? [] : [appendOf(buffer.take(MAX_DELTAS))]
    const update = { collection: 'chatMessages', type: 'update', id } as const
    try {
      return await write([...rest, { ...update, changes: { status, metadata: changes } }])
    } catch (error) {
      breakOff(error)
      throw error
    }
  }

  const stream: MessageStream = {
    id,
    get content() {
      return state.content
    },
    get parts() {
      return state.parts
    },
    append: (delta) => delta !== '' && add({ delta }),
    appendTo: (part, delta) => delta !== '' && add({ delta, part }),
    setPart: (part) => add({ delta: '', part }),
    flush,
    finish: ({ metadata: more } = {}) => end('complete', { ...metadata, ...more }),
    async fail(reason = 'The answer could not be completed.') {
      if (ended || broken !== undefined) return
      const error: StreamError =
        typeof reason === 'string' ? { code: 'failed', message: reason } : reason
      const stream: StreamState = { writer, error }
      await end('error', { ...metadata, stream: stream as JsonObject })
    },
    pipe: (chunks) => pipeUIMessageStream(stream, chunks),
  }
  schedule()
  return stream
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** A delta as an `append` mutation carries it. */
export interface OutgoingDelta {
  readonly delta: string
  readonly part?: JsonObject
}

/** Deltas that wait to be sent, as few as they can be. */
export interface DeltaBuffer {
  readonly isEmpty: boolean
  readonly count: number
  /** UTF-16 units of text that wait. */
  readonly length: number
  add(delta: OutgoingDelta): void
  /** Takes out up to so many, oldest first. */
  take(limit: number): OutgoingDelta[]
}

/** Creates an empty buffer. Texts that follow each other become one; so do states of one tool call. */
export function createDeltaBuffer(): DeltaBuffer {
  let waiting: OutgoingDelta[] = []
  let length = 0
  return {
    get isEmpty() {
      return waiting.length === 0
    },
    get count() {
      return waiting.length
    },
    get length() {
      return length
    },
    add(delta) {
      length += delta.delta.length
      const last = waiting.at(-1)
      const joined = last === undefined ? undefined : join(last, delta)
      if (joined === undefined) waiting.push(delta)
      else waiting[waiting.length - 1] = joined
    },
    take(limit) {
      const taken = waiting.slice(0, limit)
      waiting = waiting.slice(limit)
      length = waiting.reduce((sum, { delta }) => sum + delta.length, 0)
      return taken
    },
  }
}

function join(last: OutgoingDelta, next: OutgoingDelta): OutgoingDelta | undefined {
  const [one, other] = [last.part, next.part]
  if (one === undefined && other === undefined) return { delta: last.delta + next.delta }
  if (one === undefined || other === undefined) return undefined
  if (last.delta !== '' && next.delta !== '') {
    return one.type === other.type ? { part: one, delta: last.delta + next.delta } : undefined
  }
  const isSameCall = typeof other.toolCallId === 'string' && one.toolCallId === other.toolCallId
  return last.delta === '' && next.delta === '' && isSameCall ? next : undefined
}
