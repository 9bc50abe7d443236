import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../errors.ts'
import type { JsonObject } from '../schema/fields.ts'
import {
  foldDelta,
  folded,
  MAX_PARTS,
  type StreamError,
  type StreamedContent,
  type StreamState,
  startFold,
} from '../schema/streamed-message.ts'
import { MAX_DELTAS, type MutationInput, type WriteBatchInput } from '../writes/batch.ts'
import { isTransient, toSessionDbError } from '../writes/errors.ts'
import type { WriteResult } from '../writes/result.ts'
import { createDeltaBuffer, halves, type OutgoingDelta, withinLimits } from './delta-buffer.ts'
import { type ReportedUsage, usageIn } from './message-usage.ts'
import {
  type PartSlot,
  pipeUIMessageStream,
  type UIMessageChunks,
} from './pipe-ui-message-stream.ts'
import { storableObject, storableText } from './storable.ts'

/** Options of a message stream. */
export interface MessageStreamOptions {
  /**
   * The minimum interval between two flushes, in ms. Default: 150 in the first two seconds of an answer, then 800.
   * Each flush costs the same, however long its text; browsers show the text evenly.
   */
  readonly flushMs?: number
  /** The interval of heartbeats while there is nothing to send, in ms. Default 20,000. */
  readonly heartbeatMs?: number
  /** How long a flush is retried while the server can't be reached, in ms. Default 30,000. */
  readonly retryForMs?: number
}

/** A message that is written piece by piece. Everyone who may read it sees it grow. */
export interface MessageStream {
  /** The message's id. */
  readonly id: string
  /** The text so far, including what was stored before a resume. */
  readonly content: string
  /** The parts so far; empty as long as the message is only text. */
  readonly parts: StreamedContent['parts']
  /**
   * Appends text to the answer. It is sent with everything else that arrives within `flushMs`.
   *
   * @throws SessionDbError if the stream has ended or the server refused it
   */
  append(delta: string): void
  /** Appends text to the last part if it has the same type, or else to a new part, for example `reasoning`. */
  appendTo(part: JsonObject & { readonly type: string }, delta: string): void
  /** Adds an AI SDK `UIMessage` part, or replaces the one with its `toolCallId`, or its type and `id`. */
  setPart(part: JsonObject & { readonly type: string }): void
  /** Resolves when everything appended so far is stored. */
  flush(): Promise<void>
  /**
   * Stores the rest and marks the message `complete`.
   *
   * @throws SessionDbError if the server refused it
   */
  finish(options?: { readonly metadata?: JsonObject }): Promise<WriteResult>
  /**
   * Stores the rest and marks the message `error`. The content so far is kept, and open tool calls are closed
   * with an error, so that the thread can be sent to a model again. Does nothing if the stream has ended or is
   * broken.
   *
   * @param reason shown to users; it is stored as `metadata.stream.error`
   */
  fail(reason?: string | StreamError): Promise<void>
  /**
   * Writes the stream of an AI SDK result, then finishes. The stored message is the one that the SDK's
   * `readUIMessageStream` yields. If the stream breaks off, the message fails. On a server, what the model call used is
   * stored too, if the app puts it into the message's metadata as `usage` (see `store.readUsage`).
   *
   * @example
   * await stream.pipe(streamText({ model, messages }).toUIMessageStream())
   */
  pipe(chunks: UIMessageChunks): Promise<void>
}

/** The usage of one piped model call. */
export interface CallUsage extends ReportedUsage {
  /** That of the provider's response, if the stream names it; otherwise the writer, which pipes one call. */
  readonly callId: string
  readonly durationMs: number
}

/** The means of a stream, which differ between browser and server. */
export interface MessageStreamContext {
  readonly id: string
  readonly writer: string
  /** The number of the first delta; 0 for a new message. */
  readonly seq?: number
  /** The message's content so far; empty for a new message. */
  readonly before?: StreamedContent
  /** The message's metadata, without `stream`. */
  readonly metadata: JsonObject
  /** Writes one batch. */
  readonly write: (batch: WriteBatchInput) => Promise<WriteResult>
  /** Called with what a piped model call used, before the message ends. */
  readonly onUsage?: (usage: CallUsage) => Promise<unknown>
  /** Stores files of piped chunks that are too large for a message, and returns chunks that refer to them. */
  readonly attach?: (chunks: UIMessageChunks) => UIMessageChunks
  /** Resolves with the reason if the message itself could not be created. */
  readonly refused?: Promise<unknown>
  readonly options: MessageStreamOptions
}

/** Text beyond this is sent without waiting for the next flush, in UTF-16 units. */
const FULL = 16_384
const MAX_RETRY_DELAY_MS = 4_000
/** The first part of an answer, in ms, in which readers wait for every word. */
const EARLY_MS = 2_000
const EARLY_FLUSH_MS = 150
/** With an even display in the browser, a token is on screen this long after it was written, and a round trip. */
const LATE_FLUSH_MS = 800
const HIGH_SURROGATE_AT_END = /[\uD800-\uDBFF]$/

/** Creates the stream of a message that this writer has begun or resumed. */
export function createMessageStream(context: MessageStreamContext): MessageStream {
  const { id, writer, metadata } = context
  const { flushMs, heartbeatMs = 20_000, retryForMs = 30_000 } = context.options
  const buffer = createDeltaBuffer()
  let seq = context.seq ?? 0
  let state = startFold(context.before ?? { content: '', parts: [] })
  let broken: SessionDbError | undefined
  let ended = false
  let sending: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let lastSent = Number.NEGATIVE_INFINITY
  /** The time of the first delta, from which the pace of flushes follows. */
  let startedAt: number | undefined
  /** High surrogates at the end of a text, by the index of its part, until the other half of the pair arrives. */
  const held = new Map<number | undefined, string>()
  let replaced = 0
  const onReplaced = () => {
    replaced += 1
  }

  void context.refused?.then(breakOff)

  function breakOff(error: unknown): void {
    broken ??= toSessionDbError(error, 'The message could not be written. Resume it to go on.')
    clearTimeout(timer)
  }

  function add(delta: OutgoingDelta): void {
    if (broken !== undefined) throw broken
    if (ended) throw new SessionDbError('conflict', 'This stream has ended. Begin another message.')
    if (delta.part && delta.part.at >= MAX_PARTS) {
      throw new SessionDbError('too_large', `A message can have at most ${MAX_PARTS} parts.`)
    }
    startedAt ??= performance.now()
    state = foldDelta(state, delta)
    buffer.add(delta)
    schedule()
  }

  /** Appends text to a part, or to the message itself if `at` is undefined. */
  function addText(at: number | undefined, delta: string): void {
    const text = (held.get(at) ?? '') + delta
    const [half] = HIGH_SURROGATE_AT_END.exec(text) ?? []
    if (half === undefined) held.delete(at)
    else held.set(at, half)
    const whole = storableText(half === undefined ? text : text.slice(0, -1), onReplaced)
    if (whole !== '') add(at === undefined ? { delta: whole } : { delta: whole, part: { at } })
  }

  function edit(at: number, { set, merge }: { set?: object; merge?: object }): void {
    if (set !== undefined) held.delete(at)
    add({
      delta: '',
      part: withinLimits({
        at,
        ...(set && { set: storableObject(set, onReplaced) }),
        ...(merge && { merge: storableObject(merge, onReplaced) }),
      }),
    })
  }

  /** Replaces the halves of surrogate pairs whose other half never came. */
  function releaseHeld(): void {
    const keys = [...held.keys()]
    held.clear()
    for (const at of keys) {
      onReplaced()
      add({ delta: '\uFFFD', ...(at !== undefined && { part: { at } }) })
    }
  }

  function partSlots(): PartSlot[] {
    const lead = state.lead === '' ? [] : [{ at: undefined, part: { type: 'text' } as JsonObject }]
    const slots = state.slots.map((part, at) => ({ at, part }))
    return [...lead, ...slots.filter(({ part }) => Object.keys(part).length > 0)]
  }

  /** The first delta after a pause is sent immediately; those that follow share a flush. */
  function schedule(): void {
    if (ended || broken !== undefined || sending !== undefined) return
    clearTimeout(timer)
    const isFull = buffer.length >= FULL
    const now = performance.now()
    const isEarly = now - (startedAt ?? now) < EARLY_MS
    const interval = flushMs ?? (isEarly ? EARLY_FLUSH_MS : LATE_FLUSH_MS)
    const untilNext = Math.max(0, interval - (now - lastSent))
    const wait = buffer.isEmpty ? heartbeatMs : isFull ? 0 : untilNext
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
    try {
      await sendDeltas(buffer.isEmpty ? [{ delta: '' }] : buffer.take(MAX_DELTAS))
    } catch (error) {
      breakOff(error)
      await markFailed(error)
    }
  }

  /** Sends deltas. Those that the server finds too large are split, and omitted if that doesn't help. */
  async function sendDeltas(deltas: readonly OutgoingDelta[]): Promise<void> {
    try {
      await write([appendOf(deltas)])
      seq += deltas.length
    } catch (error) {
      const parts = isRefused(error) ? halves(deltas) : undefined
      if (parts === undefined) throw error
      for (const part of parts) await sendDeltas(part)
    }
  }

  /** Marks the message as failed if the server refused its content, so that it doesn't stay `streaming`. */
  async function markFailed(error: unknown): Promise<void> {
    if (!isRefused(error)) return
    const reason: StreamError = { code: 'failed', message: error.message }
    await write([updateOf('error', { ...metadata, stream: { writer, error: reason } })]).catch(
      () => {},
    )
  }

  function appendOf(deltas: readonly OutgoingDelta[]): MutationInput {
    return { collection: 'chatMessages', type: 'append', id, writer, seq, deltas: [...deltas] }
  }

  function updateOf(status: 'complete' | 'error', changed: object): MutationInput {
    const changes = { status, metadata: changed as JsonObject }
    return { collection: 'chatMessages', type: 'update', id, changes }
  }

  /** Sends the same batch until the server has responded. */
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

  /** Sends the last deltas with the change that ends the message: one transaction, one round trip. */
  async function end(status: 'complete' | 'error', given: object): Promise<WriteResult> {
    if (!ended && broken === undefined) releaseHeld()
    ended = true
    clearTimeout(timer)
    while ((buffer.length > FULL || buffer.count > MAX_DELTAS) && broken === undefined) await send()
    await sending
    if (broken !== undefined) throw broken
    const notes = replaced === 0 ? {} : { replacedCharacters: replaced }
    const update = updateOf(status, { ...storableObject(given, () => {}), ...notes })
    const rest = buffer.take(MAX_DELTAS)
    try {
      return await write(rest.length === 0 ? [update] : [appendOf(rest), update]).catch(
        async (error) => {
          if (!isRefused(error) || rest.length === 0) throw error
          await sendDeltas(rest)
          return write([update])
        },
      )
    } catch (error) {
      breakOff(error)
      await markFailed(error)
      throw error
    }
  }

  async function fail(reason: string | StreamError, more: object): Promise<void> {
    if (ended || broken !== undefined) return
    const error: StreamError =
      typeof reason === 'string' ? { code: 'failed', message: reason } : reason
    const stream: StreamState = { writer, error }
    await end('error', { ...metadata, ...more, stream })
  }

  const stream: MessageStream = {
    id,
    get content() {
      return folded(state).content
    },
    get parts() {
      return folded(state).parts
    },
    append(delta) {
      if (delta === '') return
      const last = partSlots().at(-1)
      if (last === undefined || last.at === undefined) addText(undefined, delta)
      else stream.appendTo({ type: 'text' }, delta)
    },
    appendTo(part, delta) {
      if (delta === '') return
      const last = partSlots().at(-1)
      const isSame = last?.at !== undefined && last.part.type === part.type
      const at = isSame ? last.at : state.slots.length
      if (!isSame) edit(at, { set: part })
      addText(at, delta)
    },
    setPart(part) {
      const same = partSlots().find((slot) => isSamePart(slot.part, part))
      edit(same?.at ?? state.slots.length, { set: part })
    },
    flush,
    finish: ({ metadata: more } = {}) => end('complete', { ...metadata, ...more }),
    fail: (reason = 'The answer could not be completed.') => fail(reason, {}),
    async pipe(given) {
      const chunks = context.attach?.(given) ?? given
      const usage = watchUsage(chunks, writer, context.onUsage)
      await pipeUIMessageStream(usage.chunks, {
        slots: partSlots(),
        next: state.slots.length,
        metadata,
        edit,
        addText,
        finish: (more) => end('complete', more),
        fail,
      })
      await usage.stored()
    },
  }
  schedule()
  return stream
}

/**
 * Passes chunks on, and reports the usage they carry when they end. A failure to store it is thrown after the answer
 * has ended: it is no reason to lose the answer.
 */
function watchUsage(
  chunks: UIMessageChunks,
  callId: string,
  onUsage: MessageStreamContext['onUsage'],
) {
  if (onUsage === undefined) return { chunks, stored: () => Promise.resolve() }
  const startedAt = performance.now()
  let storing: Promise<unknown> = Promise.resolve()
  async function* watched() {
    let usage: ReportedUsage | undefined
    try {
      for await (const chunk of chunks) {
        usage = usageIn(chunk) ?? usage
        yield chunk
      }
    } finally {
      const durationMs = Math.round(performance.now() - startedAt)
      if (usage !== undefined) storing = onUsage?.({ callId, ...usage, durationMs }) ?? storing
      storing.catch(() => {})
    }
  }
  return { chunks: watched(), stored: () => storing }
}

/** Returns true if the server refused what was sent, not the writer. */
function isRefused(error: unknown): error is SessionDbError {
  return error instanceof SessionDbError && (error.code === 'too_large' || error.code === 'invalid')
}

function isSamePart(one: JsonObject, other: JsonObject): boolean {
  if (typeof other.toolCallId === 'string') return one.toolCallId === other.toolCallId
  return typeof other.id === 'string' && one.type === other.type && one.id === other.id
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
