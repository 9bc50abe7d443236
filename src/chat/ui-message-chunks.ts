import type { ChatMessage } from '../schema/chat-message.ts'
import { isJsonObject, isSameJson, type JsonObject, type JsonValue } from '../schema/fields.ts'
import { type StreamedContent, streamStateOf, toUIMessage } from '../schema/streamed-message.ts'

/** The metadata of a provider, such as the signature of a thought. */
type ProviderMetadata = Record<string, { [key: string]: MutableJson }>

/** JSON as the AI SDK types it, whose arrays aren't read-only. */
type MutableJson = string | number | boolean | null | MutableJson[] | { [key: string]: MutableJson }

interface TextChunk {
  readonly id: string
  readonly providerMetadata?: ProviderMetadata
}

interface CallChunk {
  readonly toolCallId: string
  readonly toolName: string
  readonly dynamic?: boolean
  readonly title?: string
  readonly providerExecuted?: boolean
  readonly providerMetadata?: ProviderMetadata
}

interface ResultChunk {
  readonly toolCallId: string
  readonly dynamic?: boolean
  readonly providerExecuted?: boolean
  readonly providerMetadata?: ProviderMetadata
}

/** A chunk of an answer, as `useChat` of the AI SDK 6 and 7 reads it. */
export type UIMessageChunkLike =
  | { readonly type: 'start'; readonly messageId: string; readonly messageMetadata?: JsonObject }
  | { readonly type: 'message-metadata'; readonly messageMetadata: JsonObject }
  | { readonly type: 'finish' }
  | { readonly type: 'abort' }
  | { readonly type: 'error'; readonly errorText: string }
  | { readonly type: 'start-step' }
  | ({ readonly type: 'text-start' } & TextChunk)
  | ({ readonly type: 'text-end' } & TextChunk)
  | ({ readonly type: 'text-delta'; readonly delta: string } & TextChunk)
  | ({ readonly type: 'reasoning-start' } & TextChunk)
  | ({ readonly type: 'reasoning-end' } & TextChunk)
  | ({ readonly type: 'reasoning-delta'; readonly delta: string } & TextChunk)
  | ({ readonly type: 'tool-input-start' } & CallChunk)
  | {
      readonly type: 'tool-input-delta'
      readonly toolCallId: string
      readonly inputTextDelta: string
    }
  | ({ readonly type: 'tool-input-available'; readonly input: unknown } & CallChunk)
  | ({
      readonly type: 'tool-input-error'
      readonly input: unknown
      readonly errorText: string
    } & CallChunk)
  | {
      readonly type: 'tool-approval-request'
      readonly approvalId: string
      readonly toolCallId: string
    }
  | ({
      readonly type: 'tool-output-available'
      readonly output: unknown
      readonly preliminary?: boolean
    } & ResultChunk)
  | ({ readonly type: 'tool-output-error'; readonly errorText: string } & ResultChunk)
  | { readonly type: 'tool-output-denied'; readonly toolCallId: string }
  | {
      readonly type: 'file'
      readonly url: string
      readonly mediaType: string
      readonly providerMetadata?: ProviderMetadata
    }
  | { readonly type: `data-${string}`; readonly id?: string; readonly data: unknown }

type Part = JsonObject & { readonly type: string }
/** As a chunk is built. The SDK of the app decides which types it knows; it ignores others. */
type Chunk = { readonly type: string; readonly [key: string]: unknown }

/** A message as a collection shows it while it grows. */
export type GrowingMessage = Pick<
  ChatMessage,
  'id' | 'role' | 'content' | 'parts' | 'metadata' | 'status'
>

/** Turns the states of a growing message into the chunks that build it. */
export interface ChunkSource {
  /** Returns the chunks from the last state to this one. The last ones end the stream if the message has ended. */
  next(message: GrowingMessage): UIMessageChunkLike[]
}

/**
 * Creates the source of a message's chunks. Whatever reads them, as the AI SDK's `useChat` does, has the parts of
 * the stored message in the end. It is the inverse of `pipeUIMessageStream`.
 *
 * @param known the parts that the reader has already, of an answer that is continued
 */
export function createChunkSource(known: StreamedContent['parts'] = []): ChunkSource {
  let sent: readonly Part[] = known.filter(isPart)
  let metadata: JsonObject | undefined
  /** The ids of texts that have started and not ended, by the index of their part. */
  const open = new Map<number, string>()

  function textChunks(part: Part, at: number, before: Part | undefined): Chunk[] {
    const { type } = part
    const [text, had] = [textOf(part), before === undefined ? '' : textOf(before)]
    const chunks: Chunk[] = []
    if (before === undefined) {
      const id = type === 'reasoning' && typeof part.id === 'string' ? part.id : String(at)
      open.set(at, id)
      chunks.push({ type: `${type}-start`, id, ...pick(part, ['providerMetadata']) })
    }
    const id = open.get(at)
    if (id === undefined) return chunks
    const isOther =
      before !== undefined && !isSameJson(part.providerMetadata, before.providerMetadata)
    if (text.length > had.length || isOther) {
      const more = isOther ? pick(part, ['providerMetadata']) : {}
      chunks.push({ type: `${type}-delta`, id, delta: text.slice(had.length), ...more })
    }
    if (part.state === 'done') chunks.push(...endOf(part, at))
    return chunks
  }

  function endOf(part: Part, at: number): Chunk[] {
    const id = open.get(at)
    if (id === undefined) return []
    open.delete(at)
    return [{ type: `${part.type}-end`, id, ...pick(part, ['citations']) }]
  }

  function chunksOf(part: Part, at: number, before: Part | undefined): Chunk[] {
    if (before !== undefined && isSameJson(part, before)) return []
    if (isText(part)) return textChunks(part, at, before)
    if (isTool(part)) return toolChunks(part, before)
    if (part.type === 'step-start') return before === undefined ? [{ type: 'start-step' }] : []
    return [part]
  }

  /** Goes back to the start of the current step if its parts are no longer those that were sent. */
  function reset(parts: readonly Part[]): Chunk[] {
    const changed = sent.findIndex((part, at) => !isContinued(part, parts[at]))
    if (changed === -1) return []
    const step = sent.findLastIndex(({ type }) => type === 'step-start') + 1
    if (changed < step) return []
    sent = sent.slice(0, step)
    for (const at of open.keys()) if (at >= step) open.delete(at)
    return [{ type: 'reset-step' }]
  }

  return {
    next(message) {
      const parts = toUIMessage(message).parts.filter(isPart)
      const { stream: _, ...shown } = message.metadata
      const chunks: Chunk[] = []
      if (metadata === undefined) {
        const more = Object.keys(shown).length > 0 ? { messageMetadata: shown } : {}
        chunks.push({ type: 'start', messageId: message.id, ...more })
      } else if (!isSameJson(metadata, shown)) {
        chunks.push({ type: 'message-metadata', messageMetadata: shown })
      }
      metadata = shown
      chunks.push(...reset(parts))
      chunks.push(...parts.flatMap((part, at) => chunksOf(part, at, sent[at])))
      sent = parts
      if (message.status !== 'streaming') {
        chunks.push(...parts.flatMap((part, at) => endOf(part, at)), ending(message))
      }
      return chunks as UIMessageChunkLike[]
    },
  }
}

function ending({ status, metadata }: GrowingMessage): Chunk {
  if (status === 'complete') return { type: 'finish' }
  const { error } = streamStateOf(metadata)
  if (error?.code === 'aborted') return { type: 'abort' }
  return { type: 'error', errorText: error?.message ?? 'The answer could not be completed.' }
}

const IN_PROGRESS = ['input-streaming', undefined]
const RESULT = ['output', 'preliminary', 'providerExecuted', 'toolMetadata']

/** The chunks that bring a tool's part from one state to another. */
function toolChunks(part: Part, before: Part | undefined): Chunk[] {
  const { toolCallId, state } = part
  const dynamic = part.type === 'dynamic-tool'
  const call = {
    toolCallId,
    toolName: dynamic ? part.toolName : part.type.slice('tool-'.length),
    ...(dynamic && { dynamic }),
    ...pick(part, ['title', 'toolMetadata', 'providerExecuted']),
    ...(part.callProviderMetadata !== undefined && { providerMetadata: part.callProviderMetadata }),
  }
  const result = {
    toolCallId,
    ...(dynamic && { dynamic }),
    ...(part.resultProviderMetadata !== undefined && {
      providerMetadata: part.resultProviderMetadata,
    }),
  }
  const isNew = IN_PROGRESS.includes(before?.state as string | undefined)
  const errorText = String(part.errorText ?? '')
  // A call that ended while its input was still arriving: the reader must not take the input for a whole one.
  const isCutOff = state === 'output-error' && isNew && typeof part.rawInput === 'string'
  if (state === 'input-streaming' || isCutOff) {
    const start = { type: 'tool-input-start', ...call, ...pick(part, ['inputEncoding']) }
    const [raw, had] = [rawOf(part), before === undefined ? '' : rawOf(before)]
    const delta = { type: 'tool-input-delta', toolCallId, inputTextDelta: raw.slice(had.length) }
    return [
      ...(before === undefined ? [start] : []),
      ...(raw.length > had.length ? [delta] : []),
      ...(isCutOff ? [{ type: 'tool-output-error', ...result, errorText }] : []),
    ]
  }
  const input = inputOf(part)
  const isInvalid = state === 'output-error' && isNew && part.input === undefined
  if (isInvalid && part.callProviderMetadata === undefined && part.approval === undefined) {
    const { toolCallId: _, dynamic: __, ...more } = result
    return [{ type: 'tool-input-error', ...call, input, errorText, ...more }]
  }
  const chunks: Chunk[] = isNew ? [{ type: 'tool-input-available', ...call, input }] : []
  chunks.push(...approvalChunks(part, before))
  if (state === 'output-denied') chunks.push({ type: 'tool-output-denied', toolCallId })
  if (state === 'output-error') {
    chunks.push({ type: 'tool-output-error', ...result, errorText, ...pick(part, RESULT.slice(2)) })
  }
  if (state === 'output-available') {
    chunks.push({ type: 'tool-output-available', output: null, ...result, ...pick(part, RESULT) })
  }
  return chunks
}

function approvalChunks({ toolCallId, approval }: Part, before: Part | undefined): Chunk[] {
  if (!isJsonObject(approval) || isSameJson(approval, before?.approval)) return []
  const { id: approvalId, descriptor, inputSchemaInput, requestReason, approved, reason } = approval
  const request = {
    type: 'tool-approval-request',
    approvalId,
    toolCallId,
    ...(descriptor !== undefined && { approvalDescriptor: descriptor }),
    ...(inputSchemaInput !== undefined && { inputSchemaInput }),
    ...(requestReason !== undefined && { reason: requestReason }),
    ...pick(approval, ['isAutomatic', 'signature']),
  }
  const response = {
    type: 'tool-approval-response',
    approvalId,
    approved,
    ...(reason !== undefined && { reason }),
  }
  const isRequested = isJsonObject(before?.approval) && before.approval.id === approvalId
  return [...(isRequested ? [] : [request]), ...(approved === undefined ? [] : [response])]
}

/** Returns true if chunks can bring a part that was sent to its state now. */
function isContinued(before: Part, part: Part | undefined): boolean {
  if (part === undefined || part.type !== before.type) return false
  if (isTool(part)) return isContinuedCall(before, part)
  if (isText(part)) return isContinuedText(before, part)
  const isReplaceable = part.type.startsWith('data-') && typeof part.id === 'string'
  return (isReplaceable && part.id === before.id) || isSameJson(part, before)
}

function isContinuedText(before: Part, part: Part): boolean {
  if (before.id !== part.id || !textOf(part).startsWith(textOf(before))) return false
  return before.state !== 'done' || isSameJson(part, before)
}

/** The states of a call, in order. One that is repeated after a reset goes back. */
const CALL_STATES = [
  'input-streaming',
  'input-available',
  'approval-requested',
  'approval-responded',
]

/** The properties of a call that its result replaces. */
const REPLACED = ['output', 'errorText', 'preliminary', 'rawInput', 'inputEncoding']

function isContinuedCall(before: Part, part: Part): boolean {
  if (part.toolCallId !== before.toolCallId) return false
  const isKept = Object.keys(before).every((key) => key in part || REPLACED.includes(key))
  if (!isKept || (part.state === 'output-denied' && before.output !== undefined)) return false
  // An answer adds to an approval. One that has lost something is another one, asked for after a reset.
  if (!isWithin(before.approval, part.approval)) return false
  const [from, to] = [placeOf(before), placeOf(part)]
  if (from === 0 && to === 0) return rawOf(part).startsWith(rawOf(before))
  return to >= from && (from === 0 || isSameJson(inputOf(part), inputOf(before)))
}

/** Checks whether all properties of one object are in another. */
function isWithin(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  if (!isJsonObject(one)) return true
  return isJsonObject(other) && Object.keys(one).every((key) => isSameJson(one[key], other[key]))
}

function placeOf({ state }: Part): number {
  const place = CALL_STATES.indexOf(state as string)
  return place === -1 ? CALL_STATES.length : place
}

function isPart(part: JsonValue): part is Part {
  return isJsonObject(part) && typeof part.type === 'string'
}

function isText({ type }: Part): boolean {
  return type === 'text' || type === 'reasoning'
}

function isTool({ type }: Part): boolean {
  return type.startsWith('tool-') || type === 'dynamic-tool'
}

function textOf({ text }: Part): string {
  return typeof text === 'string' ? text : ''
}

/** The input of a call; the SDK keeps one that it could not read as `rawInput`. */
function inputOf({ input, rawInput }: Part): JsonValue | undefined {
  return input === undefined ? rawInput : input
}

function rawOf({ rawInput }: Part): string {
  return typeof rawInput === 'string' ? rawInput : ''
}

function pick(from: JsonObject, keys: readonly string[]): Record<string, JsonValue> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)))
}
