import type { EventDraft, TimelineEventKind } from '../events.ts'
import { boundedJson } from '../events.ts'
import { isRecord } from '../json.ts'

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

/**
 * Kinds of the events that are told by their type alone. `exec_command_end` and `mcp_tool_call_end`
 * repeat what the tool's output says, with more detail: they keep its call id and stay in the
 * background.
 */
const KINDS: Readonly<Record<string, TimelineEventKind>> = {
  token_count: 'meta',
  exec_command_end: 'meta',
  mcp_tool_call_end: 'meta',
  web_search_end: 'tool_result',
  patch_apply_end: 'file_change',
  task_started: 'system',
  task_complete: 'system',
  turn_aborted: 'system',
  error: 'system',
  context_compacted: 'system',
  thread_name_updated: 'system',
}

/** What Codex tells its user interface: texts as shown, progress, side effects. */
export function draftEventMessage(payload: Payload): EventDraft {
  switch (payload.type) {
    case 'user_message':
      return draftSpoken('message', 'user', payload, 'message')
    case 'agent_message':
      return draftSpoken('message', 'assistant', payload, 'message')
    case 'agent_reasoning':
      return draftSpoken('reasoning', 'assistant', payload, 'text')
    case 'patch_apply_end':
      return draftFileChange(payload)
    default:
      return draftOther(payload)
  }
}

function draftSpoken(
  kind: TimelineEventKind,
  role: string,
  payload: Payload,
  key: 'message' | 'text',
): EventDraft {
  const { [key]: text, type: _, ...data } = payload
  return { kind, role, text: typeof text === 'string' ? text : '', data }
}

function draftFileChange(payload: Payload): EventDraft {
  const { call_id: callId, stdout, type: _, ...data } = payload
  const paths = isRecord(data.changes) ? Object.keys(data.changes) : []
  const title = paths.length === 1 ? paths[0] : `${paths.length} files`
  const text = typeof stdout === 'string' ? stdout : undefined
  return { kind: 'file_change', role: 'tool', title, callId, text, data: { ...data, paths } }
}

function draftOther(payload: Payload): EventDraft {
  const { type, call_id: callId, ...data } = payload
  const name = typeof type === 'string' ? type : 'event'
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined
  return {
    kind: kind ?? 'other',
    role: kind === 'tool_result' ? 'tool' : 'system',
    title: name.replaceAll('_', ' '),
    callId,
    text: messageIn(payload),
    data,
  }
}

function messageIn(payload: Payload): string | undefined {
  const { message, error } = payload
  if (typeof message === 'string') return message
  return isRecord(error) && typeof error.message === 'string' ? error.message : undefined
}

/**
 * Joins the readable text of a message's, reasoning's or tool output's content: a string, one block
 * or a list of blocks. Images are named by their type.
 */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return blockText(content)
  return content.map(blockText).filter(Boolean).join('\n')
}

function blockText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!isRecord(content)) return ''
  if (typeof content.text === 'string') return content.text
  if (content.type === 'input_image') return '[image]'
  return ''
}

/** Parses a text that should be JSON; anything else stays as it is. */
function parsedIfJson(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
