import type { ChatMessage } from '../schema/chat-message.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../schema/fields.ts'
import { closedCalls, toUIMessage } from '../schema/streamed-message.ts'

/** A stored message, as far as a model is concerned. */
export type HistoryMessage = Pick<
  ChatMessage,
  'id' | 'role' | 'content' | 'parts' | 'metadata' | 'status'
>

/**
 * Converts a thread to what a model receives. It accepts every stored history: a browser may have written it, and
 * an answer may have been stopped at any point.
 *
 * - Messages with the role `system` are left out: instructions come from your server, not from the thread.
 * - Messages that are still streaming are left out.
 * - Tool calls without a result get an error as their result. In the last message, calls that a user has approved or
 *   denied are kept, so that the SDK continues with them.
 * - Outputs of tools that were too large to store are marked as such: the model gets their beginning.
 * - Parts that aren't valid AI SDK parts are left out, and so is provider metadata that isn't an object of objects.
 *
 * @param history the thread's messages, oldest first
 * @param convert `convertToModelMessages` of the AI SDK
 * @example
 * const messages = await toModelMessages(history, convertToModelMessages)
 */
export async function toModelMessages<Model>(
  history: readonly HistoryMessage[],
  convert: (messages: never[]) => Model,
): Promise<Awaited<Model>> {
  const shown = history.filter(({ role, status }) => role !== 'system' && status !== 'streaming')
  const messages = shown.map((message, index) => {
    const { role, ...rest } = toUIMessage(message)
    const isLast = index === shown.length - 1
    const parts = role === 'user' ? userParts(rest.parts) : answerParts(rest.parts, isLast)
    return { ...rest, role, parts }
  })
  const filled = messages.filter(({ parts }) => parts.some(({ type }) => type !== 'step-start'))
  // The parts have been checked; `convert` has the SDK's own type for them.
  return await convert(filled as unknown as never[])
}

type Part = JsonObject & { readonly type: string }

function userParts(parts: readonly JsonValue[]): Part[] {
  return parts.filter(isPart).flatMap((part) => (isText(part) || isFile(part) ? [clean(part)] : []))
}

function answerParts(parts: readonly JsonValue[], isLast: boolean): Part[] {
  return parts.filter(isPart).flatMap((part) => {
    if (isTool(part)) return toolPart(part, isLast)
    const isKnown =
      part.type === 'step-start' ||
      isText(part) ||
      isFile(part) ||
      (part.type === 'custom' && typeof part.kind === 'string')
    return isKnown ? [clean(part)] : []
  })
}

function toolPart({ approval, rawInput, ...part }: Part, isLast: boolean): Part[] {
  const { toolCallId, errorText, providerExecuted } = part
  const name = part.type === 'dynamic-tool' ? part.toolName : part.type.slice('tool-'.length)
  if (typeof toolCallId !== 'string' || toolCallId === '') return []
  if (typeof name !== 'string' || name === '') return []
  const decided = decidedApproval(approval)
  const isWaiting = part.state === 'approval-responded' && isLast && decided !== undefined
  const isDone = ['output-available', 'output-error', 'output-denied'].includes(String(part.state))
  const shown = isDone ? withOmission(part) : { ...part, state: 'input-available' }
  const [closed] = closedCalls([shown])
  const ended = isWaiting ? part : (closed as Part)
  return [
    clean({
      ...ended,
      input: part.input ?? rawInput ?? {},
      ...(ended.state === 'output-available' && { output: part.output ?? null }),
      ...(isDone && part.state === 'output-error' && { errorText: String(errorText ?? 'failed') }),
      ...(providerExecuted !== true && { providerExecuted: false }),
      ...(decided && { approval: decided }),
    }),
  ]
}

/**
 * Says so where only the beginning of an output was stored, lest a model takes it for the whole. An error is the form
 * that no tool converts. A provider that has run its tool itself accepts the result in its own form only.
 */
function withOmission(part: Part): Part {
  const { resultProviderMetadata: metadata, output = null, providerExecuted } = part
  const wholeBytes =
    isJsonObject(metadata) && isJsonObject(metadata.sessionDb) && metadata.sessionDb.wholeBytes
  if (typeof wholeBytes !== 'number' || part.state !== 'output-available') return part
  if (providerExecuted === true) return part
  const beginning = typeof output === 'string' ? output : JSON.stringify(output)
  const errorText = `The output of ${wholeBytes} bytes was too large to keep. It begins with: ${beginning}`
  const { output: _, ...rest } = part
  return { ...rest, state: 'output-error', errorText } as Part
}

function decidedApproval(approval: JsonValue | undefined): JsonObject | undefined {
  if (!isJsonObject(approval)) return undefined
  const { id, approved, reason, ...rest } = approval
  if (typeof id !== 'string' || typeof approved !== 'boolean') return undefined
  const { isAutomatic, signature } = rest
  return {
    id,
    approved,
    ...(typeof reason === 'string' && { reason }),
    ...(isAutomatic === true && { isAutomatic }),
    ...(typeof signature === 'string' && { signature }),
  }
}

function isText({ type, text }: Part): boolean {
  return (type === 'text' || type === 'reasoning') && typeof text === 'string'
}

function isFile({ type, mediaType, url }: Part): boolean {
  if (type !== 'file' && type !== 'reasoning-file') return false
  if (typeof mediaType !== 'string' || !/^[\w.+-]+\/[\w.+*-]+$/.test(mediaType)) return false
  return typeof url === 'string' && URL.canParse(url) && /^(https?:|data:[^,;]+;base64,)/.test(url)
}

function isTool({ type }: Part): boolean {
  return type.startsWith('tool-') || type === 'dynamic-tool'
}

const METADATA = ['providerMetadata', 'callProviderMetadata', 'resultProviderMetadata']

/** Leaves out provider metadata that the SDK would refuse. */
function clean(part: Part): Part {
  const entries = Object.entries(part).filter(([key, value]) => {
    return (
      !METADATA.includes(key) || (isJsonObject(value) && Object.values(value).every(isJsonObject))
    )
  })
  return Object.fromEntries(entries) as Part
}

function isPart(part: JsonValue): part is Part {
  return isJsonObject(part) && typeof part.type === 'string'
}
