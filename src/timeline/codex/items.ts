import type { createPromptSplitter } from '../context.ts'
import { boundedJson, type EventDraft, type TimelineEventKind } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf, parseJson } from '../json.ts'

/** State that drafting a record depends on. */
export interface DraftContext {
  readonly split: ReturnType<typeof createPromptSplitter>
  /** Role of prompts: `agent` in the log of a sub-agent, whose prompts come from its parent. */
  promptRole: 'user' | 'agent'
  /** False until the first prompt. */
  hasPrompt: boolean
}

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

/** Drafts a model input or output: messages, reasoning, tool calls and their outputs. */
export function draftResponseItem(payload: JsonRecord, context: DraftContext): EventDraft[] {
  if (payload.type === 'message') return draftMessage(payload, context)
  if (payload.type === 'reasoning') return [draftReasoning(payload)]
  if (TOOL_CALLS.has(payload.type)) return [draftToolCall(payload)]
  if (TOOL_RESULTS.has(payload.type)) return [draftToolResult(payload)]
  return [{ kind: 'other', title: payload.type, data: payload }]
}

function draftMessage(payload: JsonRecord, context: DraftContext): EventDraft[] {
  const { content, role, type: _, ...rest } = payload
  const data = { ...rest, ...countImages(content) }
  if (role === 'user') return draftPrompt(blockTexts(content), data, context)
  const text = contentText(content)
  if (role === 'assistant') return [{ kind: 'message', role, text, data }]
  return [{ kind: 'system', role: 'system', text, data, fold: 'context' }]
}

/** Drafts the user's own words and the context injected with them, each as an event. */
function draftPrompt(
  texts: readonly string[],
  data: JsonRecord,
  context: DraftContext,
  isFirst = !context.hasPrompt,
): EventDraft[] {
  const parts = texts.map((text) => context.split(text, { isFirst }))
  const injected = parts
    .map((part) => part.context)
    .filter(Boolean)
    .join('\n')
  const prompt = parts
    .map((part) => part.prompt)
    .filter(Boolean)
    .join('\n')
  const drafts: EventDraft[] = []
  if (injected !== '') drafts.push(draftContext(injected, prompt === '' ? data : {}))
  if (prompt !== '' || injected === '') {
    if (prompt !== '') context.hasPrompt = true
    drafts.push({ kind: 'message', role: context.promptRole, text: prompt, data })
  }
  return drafts
}

export function draftContext(text: string, data: JsonRecord): EventDraft {
  return { kind: 'system', role: 'system', title: 'context', text, data, fold: 'context' }
}

function countImages(content: unknown): { images?: number } {
  const images = listOf(content).filter(
    (block) => isRecord(block) && block.type === 'input_image',
  ).length
  return images > 0 ? { images } : {}
}

function hasImages({ images, local_images: local }: JsonRecord): boolean {
  return listOf(images).length + listOf(local).length > 0
}

function draftReasoning(payload: JsonRecord): EventDraft {
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

function draftToolCall(payload: JsonRecord): EventDraft {
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

function draftToolResult(payload: JsonRecord): EventDraft {
  const { call_id: callId, output, tools, type: _, ...data } = payload
  const parsed = parsedIfJson(output)
  const wrapped = isRecord(parsed) ? parsed : undefined
  const text =
    typeof wrapped?.output === 'string'
      ? wrapped.output
      : contentText(wrapped?.content) || contentText(parsed) || contentText(output)
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
 * Kinds of events that depend on their type only. `exec_command_end` and `mcp_tool_call_end` repeat the
 * tool's output with more detail: they keep its call id and stay in the background.
 */
const KINDS: Readonly<Record<string, TimelineEventKind>> = {
  token_count: 'meta',
  exec_command_end: 'meta',
  mcp_tool_call_end: 'meta',
  web_search_end: 'tool_result',
  task_started: 'system',
  task_complete: 'system',
  turn_aborted: 'system',
  error: 'system',
  context_compacted: 'system',
  thread_name_updated: 'system',
  thread_rolled_back: 'system',
}

/** Drafts an event that Codex sent to its user interface: texts as shown, progress, side effects. */
export function draftEventMessage(payload: JsonRecord, context: DraftContext): EventDraft[] {
  switch (payload.type) {
    case 'user_message': {
      const { message, type: _, ...data } = payload
      const said = typeof message === 'string' ? message : ''
      const text = said.trim() === '' && hasImages(data) ? '[image]' : said
      const isInjected = /instructions|context/.test(String(payload.kind))
      if (isInjected) return [draftContext(text, data)]
      // The user typed it, so only what is known to be injected is context.
      return draftPrompt([text], data, context, false)
    }
    case 'agent_message':
      return [draftSpoken('message', payload, 'message')]
    case 'agent_reasoning':
      return [draftSpoken('reasoning', payload, 'text')]
    case 'patch_apply_end':
      return [draftPatchEnd(payload)]
    default:
      return [draftOther(payload)]
  }
}

function draftSpoken(
  kind: TimelineEventKind,
  payload: JsonRecord,
  key: 'message' | 'text',
): EventDraft {
  const { [key]: text, type: _, ...data } = payload
  return { kind, role: 'assistant', text: typeof text === 'string' ? text : '', data }
}

function draftOther(payload: JsonRecord): EventDraft {
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

function messageIn(payload: JsonRecord): string | undefined {
  const { message, error, thread_name: name, query, action } = payload
  if (typeof message === 'string') return message
  if (isRecord(error) && typeof error.message === 'string') return error.message
  const { url, query: searched } = isRecord(action) ? action : {}
  return firstText(name, query, searched, url)
}

const FAILED: ReadonlySet<unknown> = new Set(['failed', 'declined', 'rejected', 'error'])

/** A patch that was not applied changes no file. */
function draftPatchEnd(payload: JsonRecord): EventDraft {
  const { call_id: callId, stdout, stderr, changes, type: _, ...data } = payload
  if (payload.success === false || FAILED.has(payload.status)) {
    const text = firstText(stderr, stdout)
    return { kind: 'meta', role: 'tool', title: 'patch failed', callId, text, data: payload }
  }
  const files = isRecord(changes) ? Object.entries(changes) : []
  const diffs = files.map(([path, change]) => diffOf(path, change))
  return draftFileChange(
    callId,
    files.map(([path]) => path),
    diffs.join('\n'),
    data,
  )
}

function diffOf(path: string, change: unknown): string {
  if (!isRecord(change)) return `*** ${path}`
  const { type, unified_diff: diff, content, move_path: target } = change
  const head = `*** ${typeof type === 'string' ? type : 'update'} ${path}${typeof target === 'string' ? ` → ${target}` : ''}`
  if (typeof diff === 'string') return `${head}\n${diff}`
  if (typeof content !== 'string') return head
  const mark = type === 'delete' ? '-' : '+'
  const lines = content.replace(/\n$/, '').split('\n')
  return `${head}\n${lines.map((line) => mark + line).join('\n')}`
}

/** Drafts a file change from its diff, with the numbers of added and removed lines. */
function draftFileChange(
  callId: unknown,
  paths: readonly unknown[],
  diff: string,
  data: JsonRecord = {},
): EventDraft {
  let linesAdded = 0
  let linesRemoved = 0
  for (const line of diff.split('\n')) {
    if (line.startsWith('+') && !line.startsWith('+++ ')) linesAdded += 1
    if (line.startsWith('-') && !line.startsWith('--- ')) linesRemoved += 1
  }
  return {
    kind: 'file_change',
    role: 'tool',
    title: paths.length === 1 ? paths[0] : `${paths.length} files`,
    callId,
    text: diff,
    data: { ...data, paths, linesAdded, linesRemoved },
  }
}

/** Finds the patch in a call of `apply_patch`, made by the tool or by a shell command. */
export function patchIn({ kind, toolName, text, data }: EventDraft): string | undefined {
  if (kind !== 'tool_call') return undefined
  const input = data?.input
  const command = isRecord(input)
    ? (input.command ?? input.cmd ?? input.input ?? input.patch)
    : input
  const source = Array.isArray(command) ? wordsOf(command) : (command ?? text)
  if (typeof source !== 'string') return undefined
  if (toolName !== 'apply_patch' && !source.includes('apply_patch')) return undefined
  const start = source.indexOf('*** Begin Patch')
  if (start < 0) return undefined
  const end = source.indexOf('*** End Patch', start)
  return source.slice(start, end < 0 ? undefined : end)
}

function wordsOf(command: readonly unknown[]): string {
  return command.filter((word) => typeof word === 'string').join(' ')
}

/** Drafts the change of a patch that was applied; undefined for one that failed. */
export function draftAppliedPatch(patch: string, result: EventDraft): EventDraft | undefined {
  const { text = '', callId, data } = result
  const exitCode = data?.exitCode
  const isApplied =
    exitCode === undefined ? /\b(?:Success|Done!)/.test(text.slice(0, 1_000)) : exitCode === 0
  if (!isApplied) return undefined
  const paths = [...patch.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)].map((match) =>
    match[1]?.trim(),
  )
  const diff = patch.replace(/^\*\*\* Begin Patch\r?\n/, '').trimEnd()
  return paths.length === 0 ? undefined : draftFileChange(callId, paths, diff)
}

/**
 * Joins the readable text of a message's, reasoning's or tool output's content: a string, one block
 * or a list of blocks. Images are named by their type.
 */
function contentText(content: unknown): string {
  return blockTexts(content).filter(Boolean).join('\n')
}

function blockTexts(content: unknown): string[] {
  return Array.isArray(content) ? content.map(blockText) : [blockText(content)]
}

function blockText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!isRecord(content)) return ''
  if (typeof content.text === 'string') return IMAGE_TAG.test(content.text) ? '' : content.text
  if (content.type === 'input_image' || content.type === 'image') return '[image]'
  return ''
}

/** Codex puts images between texts of these. */
const IMAGE_TAG = /^\s*<\/?image(?:\s[^>]{0,500})?>\s*$/

/** Parses a text that should be JSON; anything else stays as it is. */
function parsedIfJson(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[{["]/.test(value)) return value
  return parseJson(value) ?? value
}
