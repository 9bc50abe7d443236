import type { EventDraft } from './events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from './json.ts'

/** A message in one of the forms that agents and model APIs use. */
export interface BlockMessage {
  /** `user`, `assistant` or `system`; `tool` for a message that is the result of a call. */
  readonly role: string
  /** A text, a block or a list of blocks. */
  readonly content: unknown
  readonly time?: unknown
  /** Added to the first event. */
  readonly data?: JsonRecord
}

/** Roles under the names that agents and model APIs use. */
const ROLES: Readonly<Record<string, string>> = {
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  ai: 'assistant',
  bot: 'assistant',
  model: 'assistant',
  gemini: 'assistant',
  agent: 'assistant',
  gpt: 'assistant',
  chatgpt: 'assistant',
  system: 'system',
  developer: 'system',
  tool: 'tool',
  function: 'tool',
  toolResult: 'tool',
  tool_result: 'tool',
}

/** Returns the role under its usual name; undefined for anything else. */
export function roleOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  if (Object.hasOwn(ROLES, value)) return ROLES[value]
  const name = value.length < 20 ? value.toLowerCase() : value
  return Object.hasOwn(ROLES, name) ? ROLES[name] : undefined
}

/**
 * Drafts the events of a message: neighbouring texts together, reasoning, calls and results each by
 * itself. Understands the blocks of Anthropic, OpenAI, Google and the AI SDK, and their relatives.
 */
export function draftBlocks({ role, content, time, data = {} }: BlockMessage): EventDraft[] {
  const drafts: EventDraft[] = []
  let texts: string[] = []
  const add = (draft: EventDraft) => {
    const first = drafts.length === 0 ? { ...data, ...draft.data } : { ...draft.data }
    drafts.push({ time, ...draft, data: first })
  }
  const flush = () => {
    if (texts.length === 0) return
    const text = texts.join('\n')
    texts = []
    if (role === 'tool') add({ kind: 'tool_result', role: 'tool', text })
    else if (role === 'system')
      add({ kind: 'system', role, title: 'context', text, fold: 'context' })
    else add({ kind: 'message', role, text })
  }
  for (const block of Array.isArray(content) ? content : [content]) {
    const text = plainText(block)
    if (text !== undefined) {
      texts.push(text)
      continue
    }
    const draft = draftBlock(block)
    if (draft === undefined) continue
    flush()
    for (const each of draft) add(each)
  }
  flush()
  return drafts
}

/** Returns the text of a text block or the name of an image; undefined for other blocks. */
function plainText(block: unknown): string | undefined {
  if (typeof block === 'string') return block
  if (!isRecord(block)) return undefined
  const { type, text } = block
  if (block.thought === true) return undefined
  if (typeof text === 'string' && (type === undefined || TEXT_TYPES.has(type))) return text
  return isMedia(block) ? '[image]' : undefined
}

const TEXT_TYPES: ReadonlySet<unknown> = new Set(['text', 'input_text', 'output_text', 'markdown'])
const MEDIA_TYPES: ReadonlySet<unknown> = new Set([
  ...['image', 'input_image', 'image_url', 'file', 'document', 'input_file', 'audio'],
])

function isMedia({ type, inlineData, fileData }: JsonRecord): boolean {
  return MEDIA_TYPES.has(type) || inlineData !== undefined || fileData !== undefined
}

const REASONING_TYPES: ReadonlySet<unknown> = new Set(['thinking', 'reasoning', 'thought'])

function draftBlock(block: unknown): EventDraft[] | undefined {
  if (!isRecord(block)) {
    return block === null || block === undefined
      ? undefined
      : [{ kind: 'other', title: 'unknown block', data: { block } }]
  }
  const { type } = block
  if (REASONING_TYPES.has(type) || block.thought === true) return [draftReasoning(block)]
  return (
    draftTool(block) ?? [
      {
        kind: 'other',
        title: type ?? 'unknown block',
        text: firstText(block.text),
        data: { block },
      },
    ]
  )
}

function draftReasoning(block: JsonRecord): EventDraft {
  const { thinking, reasoning, text, content, summary } = block
  const said = firstText(thinking, reasoning, text, content) ?? joinedText(summary)
  return { kind: 'reasoning', role: 'assistant', text: said }
}

/** Drafts a block that is a record by itself, as in a list of a model's items: a call, a result, reasoning. */
export function draftItem(item: JsonRecord): EventDraft[] | undefined {
  return REASONING_TYPES.has(item.type) ? [draftReasoning(item)] : draftTool(item)
}

/** Drafts a call or a result, or a block that holds both. */
function draftTool(block: JsonRecord): EventDraft[] | undefined {
  const nested = [block.functionCall, block.functionResponse].find(isRecord)
  if (nested !== undefined) {
    return 'response' in nested
      ? [draftResult(nested.id ?? nested.name, nested.response)]
      : [draftCall(nested.name, nested.id ?? nested.name, nested.args)]
  }
  const { type } = block
  const name = typeof type === 'string' ? type.replaceAll(/[_-]/g, '').toLowerCase() : ''
  const id =
    block.call_id ??
    block.callId ??
    block.toolCallId ??
    block.tool_call_id ??
    block.callID ??
    block.tool_use_id ??
    block.id
  switch (name) {
    case 'tooluse':
    case 'toolcall':
    case 'functioncall':
      return toolCall(block, id)
    case 'toolrequest':
      return [draftGooseRequest(block, id)]
    case 'toolresult':
    case 'functioncalloutput':
    case 'tooloutput':
    case 'functionresult':
      return [draftResult(id, block.content ?? block.output ?? block.result, block)]
    case 'toolresponse':
      return [draftGooseResponse(block, id)]
  }
  // The AI SDK names the tool in the type of the part.
  if (typeof type === 'string' && (type.startsWith('tool-') || type === 'dynamic-tool')) {
    return draftSdkPart(block, type.replace(/^tool-/, ''), id)
  }
  return undefined
}

/** Compact transcripts have the result inside the call. */
function toolCall(block: JsonRecord, id: unknown): EventDraft[] {
  const wrapped = isRecord(block.function) ? block.function : {}
  const input = block.input ?? block.arguments ?? block.args ?? wrapped.arguments
  const call = draftCall(block.name ?? block.toolName ?? wrapped.name, id, input)
  const { result } = block
  return result === undefined ? [call] : [call, draftResult(id, resultOf(result), asRecord(result))]
}

function resultOf(result: unknown): unknown {
  return isRecord(result) ? (result.output ?? result.content ?? result) : result
}

function asRecord(value: unknown): JsonRecord {
  return isRecord(value) ? value : {}
}

export function draftCall(name: unknown, id: unknown, input: unknown): EventDraft {
  return {
    kind: 'tool_call',
    role: 'assistant',
    toolName: name,
    callId: id,
    text: inputText(input),
    data: { input },
  }
}

export function draftResult(id: unknown, output: unknown, block: JsonRecord = {}): EventDraft {
  const { is_error: failed, isError, status, exitCode, exit_code: code } = block
  const isFailure = failed === true || isError === true || status === 'error' || status === 'failed'
  const exit = exitCode ?? code
  return {
    kind: 'tool_result',
    role: 'tool',
    callId: id,
    text: joinedText(output),
    data: {
      ...(isFailure ? { isError: true } : {}),
      ...(typeof exit === 'number' ? { exitCode: exit } : {}),
    },
  }
}

function draftGooseRequest({ toolCall: call }: JsonRecord, id: unknown): EventDraft {
  const value = isRecord(call) && isRecord(call.value) ? call.value : asRecord(call)
  return draftCall(value.name, id, value.arguments)
}

function draftGooseResponse({ toolResult: result }: JsonRecord, id: unknown): EventDraft {
  const { status, value, error } = asRecord(result)
  return draftResult(id, isRecord(value) ? (value.content ?? value) : (value ?? error), { status })
}

function draftSdkPart(part: JsonRecord, type: string, id: unknown): EventDraft[] {
  const name = part.toolName ?? type
  const call = draftCall(name, id, part.input ?? part.args)
  const { output, errorText, state } = part
  if (output === undefined && errorText === undefined) return [call]
  const isError = errorText !== undefined || state === 'output-error'
  return [call, draftResult(id, output ?? errorText, { isError })]
}

/** Returns the part of a call that a person would look for: its command, file or prompt. */
function inputText(input: unknown): string | undefined {
  if (typeof input === 'string') return input
  if (!isRecord(input)) return undefined
  const { command, cmd, file_path: path, path: file, pattern, url, query, prompt } = input
  const text = firstText(command, cmd, path, file, pattern, url, query, prompt, input.description)
  if (text !== undefined) return text
  return firstText(
    listOf(command)
      .filter((word) => typeof word === 'string')
      .join(' '),
  )
}

/** Levels of nested content that are searched for text. */
const MAX_LEVELS = 6

/** Joins the readable text in a result: a string, blocks, or an object with one of the usual names. */
export function joinedText(value: unknown, level = 0): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (level > MAX_LEVELS) return ''
  if (Array.isArray(value)) {
    const texts = value.map((each) => joinedText(each, level + 1))
    return texts.filter(Boolean).join('\n')
  }
  if (!isRecord(value)) return ''
  if (isMedia(value)) return '[image]'
  const { text, content, output, result, stdout, stderr, message, error } = value
  for (const inner of [text, content, output, result, message, error]) {
    const found = joinedText(inner, level + 1)
    if (found !== '') return found
  }
  return [stdout, stderr]
    .map((each) => (typeof each === 'string' ? each : ''))
    .filter(Boolean)
    .join('\n')
}

/** Returns the elements of a list of tool calls as OpenAI nests them in a message. */
export function draftToolCalls(calls: unknown): EventDraft[] {
  return listOf(calls).flatMap((call) => {
    if (!isRecord(call)) return []
    const named = isRecord(call.function) ? call.function : call
    const input = parsedInput(named.arguments ?? named.input ?? named.args)
    return [draftCall(named.name, call.id ?? call.toolCallId, input)]
  })
}

function parsedInput(input: unknown): unknown {
  if (typeof input !== 'string') return input
  try {
    return JSON.parse(input)
  } catch {
    return input
  }
}
