import { boundedJson } from '../bounded-json.ts'
import type { EventDraft } from '../derived-event.ts'
import { isRecord } from '../is-record.ts'
import { contentText, parsedIfJson } from './content-text.ts'

type Payload = Readonly<Record<string, unknown>>

/** What Codex puts in the user's mouth: surroundings and instructions, not what a person typed. */
const INJECTED =
  /^\s*(?:<environment_context>|# AGENTS\.md instructions for|<user_instructions>|<skill>|<turn_aborted>|# Context from my IDE setup:)/

const TOOL_CALLS: ReadonlySet<unknown> = new Set([
  'function_call',
  'custom_tool_call',
  'local_shell_call',
  'web_search_call',
  'tool_search_call',
  'image_generation_call',
])

const TOOL_RESULTS: ReadonlySet<unknown> = new Set([
  'function_call_output',
  'custom_tool_call_output',
  'tool_search_output',
])

/** What the model was sent or answered: messages, reasoning, tool calls and their outputs. */
export function draftResponseItem(payload: Payload): EventDraft {
  if (payload.type === 'message') return draftMessage(payload)
  if (payload.type === 'reasoning') return draftReasoning(payload)
  if (TOOL_CALLS.has(payload.type)) return draftToolCall(payload)
  if (TOOL_RESULTS.has(payload.type)) return draftToolResult(payload)
  return { kind: 'other', title: payload.type, data: payload }
}

function draftMessage(payload: Payload): EventDraft {
  const { content, role: author, type: _, ...data } = payload
  const text = contentText(content)
  const images = countImages(content)
  const role = typeof author === 'string' ? author : 'system'
  const byPerson = role === 'user' && !INJECTED.test(text)
  const kind = role === 'assistant' || byPerson ? 'message' : 'system'
  const title = role === 'user' && !byPerson ? 'context' : undefined
  return {
    kind,
    role: kind === 'system' ? 'system' : role,
    title,
    text,
    data: { ...data, ...images },
  }
}

function countImages(content: unknown): { images?: number } {
  if (!Array.isArray(content)) return {}
  const images = content.filter((block) => isRecord(block) && block.type === 'input_image').length
  return images > 0 ? { images } : {}
}

function draftReasoning(payload: Payload): EventDraft {
  const { summary, content, encrypted_content: encrypted, type: _, ...data } = payload
  const text = contentText(summary) || contentText(content) || undefined
  const isEncrypted = text === undefined && typeof encrypted === 'string'
  return {
    kind: 'reasoning',
    role: 'assistant',
    text,
    data: isEncrypted ? { ...data, encrypted: true } : data,
  }
}

function draftToolCall(payload: Payload): EventDraft {
  const { call_id: callId, id, name, namespace, type, ...rest } = payload
  const { arguments: args, input, action, ...data } = rest
  const tool = typeof name === 'string' ? name : String(type).replace(/_call$/, '')
  return {
    kind: 'tool_call',
    role: 'assistant',
    toolName: typeof namespace === 'string' ? `${namespace}.${tool}` : tool,
    callId: callId ?? id,
    text: inputText(args ?? input ?? action),
    data: { ...data, input: parsedIfJson(args ?? input ?? action) },
  }
}

function inputText(input: unknown): string | undefined {
  if (input === undefined || input === null) return undefined
  return typeof input === 'string' ? input : JSON.stringify(boundedJson({ input }).input)
}

function draftToolResult(payload: Payload): EventDraft {
  const { call_id: callId, output, tools, type: _, ...data } = payload
  const parsed = parsedIfJson(output)
  const wrapped = isRecord(parsed) && typeof parsed.output === 'string' ? parsed : undefined
  const text = wrapped ? String(wrapped.output) : contentText(output)
  const exitCode = exitCodeOf(text, wrapped?.metadata)
  return {
    kind: 'tool_result',
    role: 'tool',
    callId,
    text,
    data: {
      ...data,
      ...(tools === undefined ? {} : { tools }),
      ...(exitCode === undefined ? {} : { exitCode }),
    },
  }
}

function exitCodeOf(text: string, metadata: unknown): number | undefined {
  if (isRecord(metadata) && typeof metadata.exit_code === 'number') return metadata.exit_code
  const match =
    /^(?:Exit code: |.*\nProcess exited with code |Process exited with code )(-?\d+)/m.exec(
      text.slice(0, 500),
    )
  return match?.[1] === undefined ? undefined : Number(match[1])
}
