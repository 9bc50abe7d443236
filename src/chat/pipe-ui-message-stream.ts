import type { JsonObject } from '../schema/fields.ts'
import type { MessageStream } from './message-stream.ts'

/**
 * What `toUIMessageStream()` of the AI SDK yields, as far as it is looked at. Chunks of types that
 * are not known here are passed over.
 */
export type UIMessageChunks = AsyncIterable<{ readonly type: string }>

type Chunk = { readonly [key: string]: unknown; readonly type: string }

/** Writes the chunks of an AI SDK stream to a message as they come, and ends it as they end. */
export async function pipeUIMessageStream(
  stream: MessageStream,
  chunks: UIMessageChunks,
): Promise<void> {
  const sink = createSink(stream)
  try {
    for await (const chunk of chunks) {
      const problem = sink.take(chunk as Chunk)
      if (problem === undefined) continue
      await stream.fail(problem)
      return
    }
  } catch (error) {
    // The error itself is for the caller: it may say what a reader of the message must not see.
    await stream.fail()
    throw error
  }
  await stream.finish({ metadata: sink.metadata() })
}

type Problem = Parameters<MessageStream['fail']>[0]

function createSink(stream: MessageStream) {
  const calls = new Map<string, JsonObject & { readonly type: string }>()
  let metadata: JsonObject = {}

  /** A tool call is one part, which goes from state to state. */
  function setCall({ toolCallId, toolName, dynamic, ...chunk }: Chunk, state: JsonObject): void {
    const id = String(toolCallId)
    const name = String(toolName)
    const begun: JsonObject & { readonly type: string } =
      dynamic === true
        ? { type: 'dynamic-tool', toolName: name, toolCallId: id }
        : { type: `tool-${name}`, toolCallId: id }
    const more = pick(chunk, ['title', 'providerExecuted', 'toolMetadata'])
    const { errorText: _, ...before } = calls.get(id) ?? begun
    const part = { ...before, ...more, ...state } as JsonObject & { readonly type: string }
    calls.set(id, part)
    stream.setPart(part)
  }

  function take(chunk: Chunk): Problem | undefined {
    switch (chunk.type) {
      case 'text-delta':
        stream.append(String(chunk.delta))
        break
      case 'reasoning-delta':
        stream.appendTo({ type: 'reasoning' }, String(chunk.delta))
        break
      case 'tool-input-start':
        setCall(chunk, { state: 'input-streaming' })
        break
      case 'tool-input-available':
        setCall(chunk, { state: 'input-available', ...pick(chunk, ['input']) })
        break
      case 'tool-input-error':
        setCall(chunk, { state: 'output-error', ...pick(chunk, ['input', 'errorText']) })
        break
      case 'tool-output-available':
        setCall(chunk, { state: 'output-available', ...pick(chunk, ['output', 'preliminary']) })
        break
      case 'tool-output-error':
        setCall(chunk, { state: 'output-error', ...pick(chunk, ['errorText']) })
        break
      case 'tool-output-denied':
        setCall(chunk, { state: 'output-denied' })
        break
      case 'start-step':
        stream.setPart({ type: 'step-start' })
        break
      case 'source-url':
      case 'source-document':
      case 'file':
      case 'reasoning-file':
        stream.setPart(copy(chunk))
        break
      case 'start':
      case 'message-metadata':
      case 'finish':
        metadata = { ...metadata, ...(chunk.messageMetadata as JsonObject | undefined) }
        break
      case 'error':
        return String(chunk.errorText)
      case 'abort':
        return { code: 'aborted', message: 'The answer was stopped.' }
      default:
        if (chunk.type.startsWith('data-') && chunk.transient !== true) stream.setPart(copy(chunk))
    }
    return undefined
  }

  return { take, metadata: () => metadata }
}

function pick(chunk: object, keys: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(chunk).filter(([key, value]) => keys.includes(key) && value !== undefined),
  )
}

function copy(chunk: Chunk): JsonObject & { readonly type: string } {
  const { type, transient: _, ...rest } = chunk
  return { type, ...pick(rest, Object.keys(rest)) }
}
