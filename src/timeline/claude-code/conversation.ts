import { cutText } from '../../schema/cut-text.ts'
import type { createPromptSplitter } from '../context.ts'
import type { EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'
import { LOCAL_COMMANDS } from './context.ts'

/** Calls whose file is remembered. */
const REMEMBERED_CALLS = 20_000
const INTERRUPTED = /^\s*\[Request interrupted by user/

/** State that drafting a line depends on. */
export interface DraftContext {
  readonly split: ReturnType<typeof createPromptSplitter>
  /** False until the first prompt. */
  hasPrompt: boolean
  /** Inputs of calls that name a file, by call id. */
  readonly files: Map<string, JsonRecord>
}

/** Drafts a line of the conversation: an event per block of its content. */
export function* draftConversation(line: JsonRecord, context: DraftContext): Generator<EventDraft> {
  const message = isRecord(line.message) ? line.message : undefined
  const content = message?.content
  const base = lineData(line, message)
  if (typeof content === 'string') {
    yield* draftText(line, content, base, context)
  } else if (Array.isArray(content) && content.length > 0) {
    yield* draftBlocks(line, content, base, context)
  } else {
    yield { kind: 'other', title: `${String(line.type)} without content`, data: line }
  }
}

function lineData(line: JsonRecord, message: JsonRecord | undefined): Record<string, unknown> {
  const { uuid, parentUuid, requestId, agentId, isSidechain } = line
  const entries = Object.entries({
    uuid,
    parentUuid,
    requestId,
    agentId,
    sidechain: isSidechain === true ? true : undefined,
    messageId: message?.id,
    model: message?.model,
    stopReason: message?.stop_reason,
    usage: message?.usage,
  })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null))
}

function* draftBlocks(
  line: JsonRecord,
  blocks: readonly unknown[],
  base: JsonRecord,
  context: DraftContext,
): Generator<EventDraft> {
  const results = blocks.filter((block) => isRecord(block) && block.type === 'tool_result')
  const changed = changedResult(line, results as JsonRecord[], context)
  for (const [index, block] of joinedMedia(line, blocks).entries()) {
    const data = index > 0 ? { ...base, block: index } : base
    yield* draftBlock(line, block, data, context)
    if (block === changed) yield draftFileChange(block as JsonRecord, line, data)
  }
}

/** Joins images and the text beside them to one text: they are one prompt. */
function joinedMedia(line: JsonRecord, blocks: readonly unknown[]): readonly unknown[] {
  if (line.type !== 'user' || !blocks.some((block) => mediaName(block) !== undefined)) return blocks
  const joined: unknown[] = []
  let run: { readonly type: 'text'; text: string; images: number } | undefined
  for (const block of blocks) {
    const name = mediaName(block)
    const text = name ?? (isRecord(block) && block.type === 'text' ? block.text : undefined)
    if (typeof text !== 'string') {
      run = undefined
      joined.push(block)
      continue
    }
    if (run === undefined) {
      run = { type: 'text', text, images: 0 }
      joined.push(run)
    } else run.text += `\n${text}`
    if (name !== undefined) run.images += 1
  }
  return joined
}

/** Names an image or document; undefined for other blocks. */
export function mediaName(block: unknown): string | undefined {
  if (!isRecord(block)) return undefined
  if (block.type === 'image') return '[image]'
  if (block.type !== 'document') return undefined
  return typeof block.title === 'string' ? `[document ${cutText(block.title, 100)}]` : '[document]'
}

function* draftBlock(
  line: JsonRecord,
  block: unknown,
  data: JsonRecord,
  context: DraftContext,
): Generator<EventDraft> {
  if (typeof block === 'string') {
    yield* draftText(line, block, data, context)
    return
  }
  if (!isRecord(block)) {
    yield { kind: 'other', title: 'unknown block', data: { ...data, block } }
    return
  }
  switch (block.type) {
    case 'text': {
      const { images } = block
      const more = typeof images === 'number' && images > 0 ? { ...data, images } : data
      yield* draftText(line, typeof block.text === 'string' ? block.text : '', more, context)
      break
    }
    case 'thinking': {
      const text = typeof block.thinking === 'string' ? block.thinking : ''
      yield { kind: 'reasoning', role: 'assistant', text, data }
      break
    }
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
      yield draftToolUse(block, data, context)
      break
    case 'tool_result':
    case 'mcp_tool_result':
    case 'web_search_tool_result':
    case 'web_fetch_tool_result':
      yield draftToolResult(line, block, data)
      break
    case 'redacted_thinking':
      yield { kind: 'reasoning', role: 'assistant', data }
      break
    case 'image':
    case 'document':
      yield {
        kind: 'message',
        role: roleOf(line),
        text: mediaName(block),
        data: { ...data, images: 1 },
      }
      break
    default:
      yield { kind: 'other', title: block.type ?? 'unknown block', data: { ...data, block } }
  }
}

/** The prompt of a sub-agent comes from the agent that started it. */
function roleOf(line: JsonRecord): string {
  if (line.type === 'assistant') return 'assistant'
  return line.isSidechain === true ? 'agent' : 'user'
}

function* draftText(
  line: JsonRecord,
  text: string,
  data: JsonRecord,
  context: DraftContext,
): Generator<EventDraft> {
  if (line.type === 'assistant') {
    yield draftAnswer(line, text, data)
  } else if (line.isCompactSummary === true) {
    yield { ...system('context summary', text, data), fold: 'context' }
  } else if (INTERRUPTED.test(text)) {
    yield system('interrupted', text, data)
  } else if (line.isMeta === true || isFromProgram(line)) {
    yield { ...system('context', text, data), fold: 'context' }
  } else {
    yield* draftPrompt(line, text, data, context)
  }
}

/** Tasks, channels and other agents send messages in the user's name, too. */
function isFromProgram({ origin, isSidechain }: JsonRecord): boolean {
  return (
    isSidechain !== true &&
    isRecord(origin) &&
    typeof origin.kind === 'string' &&
    origin.kind !== 'human'
  )
}

/** Drafts the user's own words and the context injected with them, each as an event. */
export function* draftPrompt(
  line: JsonRecord,
  text: string,
  data: JsonRecord,
  context: DraftContext,
): Generator<EventDraft> {
  const command = typedCommand(text)
  if (command !== undefined) {
    if (LOCAL_COMMANDS.has(command)) {
      yield { ...system('context', command, data), fold: 'context' }
    } else {
      context.hasPrompt = true
      yield { kind: 'message', role: roleOf(line), text: command, data: { ...data, command: true } }
    }
    return
  }
  const { context: injected, prompt } = context.split(text, { isFirst: !context.hasPrompt })
  if (injected !== '') {
    yield { ...system('context', injected, prompt === '' ? data : {}), fold: 'context' }
    if (prompt === '') return
  }
  context.hasPrompt = true
  yield { kind: 'message', role: roleOf(line), text: prompt, data }
}

/** Returns a command as the user typed it. */
function typedCommand(text: string): string | undefined {
  if (!/^\s*<command-(?:name|message)>/.test(text)) return undefined
  const name = elementIn(text, 'command-name')
  if (name === undefined) return undefined
  const args = elementIn(text, 'command-args') ?? ''
  return `${name.startsWith('/') ? '' : '/'}${name} ${args}`.trim()
}

function elementIn(text: string, name: string): string | undefined {
  const start = text.indexOf(`<${name}>`)
  const end = start < 0 ? -1 : text.indexOf(`</${name}>`, start)
  return end < 0 ? undefined : text.slice(start + name.length + 2, end).trim()
}

const API_ERROR = /^API Error(?:: (?:\d{3}\b|Connection|Request|Unable|Repeated)| \(|$)/
const NO_RESPONSE = 'No response requested.'

/** The program writes some answers itself: errors, limits, and that there is nothing to answer. */
function draftAnswer(line: JsonRecord, text: string, data: JsonRecord): EventDraft {
  if (line.isApiErrorMessage === true) {
    return system('API error', text, { ...data, error: line.error, isError: true })
  }
  if (text.trim() === NO_RESPONSE) {
    return { kind: 'meta', role: 'system', title: 'notice', text, data }
  }
  const isSynthetic = data.model === '<synthetic>'
  if (API_ERROR.test(text) || (isSynthetic && /^API Error\b/.test(text))) {
    return system('API error', text, { ...data, isError: true })
  }
  return isSynthetic
    ? system('warning', text, data)
    : { kind: 'message', role: 'assistant', text, data }
}

function system(title: string, text: string, data: JsonRecord): EventDraft {
  return { kind: 'system', role: 'system', title, text, data }
}

function draftToolUse(
  { id, name, input }: JsonRecord,
  data: JsonRecord,
  { files }: DraftContext,
): EventDraft {
  const path = isRecord(input) ? (input.file_path ?? input.notebook_path) : undefined
  if (typeof id === 'string' && path !== undefined && files.size < REMEMBERED_CALLS) {
    files.set(id, { path, start: startOf(isRecord(input) ? written(input) : undefined), name })
  }
  return {
    kind: 'tool_call',
    role: 'assistant',
    toolName: name,
    callId: id,
    text: inputText(input),
    data: { ...data, input },
  }
}

/** Returns the part of a call that a person would look for: its command, file or prompt. */
function inputText(input: unknown): string | undefined {
  if (!isRecord(input)) return undefined
  const { command, file_path: path, pattern, url, query, prompt, description } = input
  const text = firstText(command, path, pattern, url, query, prompt, description, input.skill)
  if (text !== undefined) return text
  const items = [...listOf(input.questions), ...listOf(input.todos)].filter(isRecord)
  return items.map(({ question, content }) => firstText(question, content)).join('\n') || undefined
}

function draftToolResult(line: JsonRecord, block: JsonRecord, data: JsonRecord): EventDraft {
  const { tool_use_id: callId, content, is_error: isError } = block
  const text = resultText(content)
  const exitCode =
    isError === true ? /^(?:Error: )?Exit code (\d{1,3})\b/.exec(text)?.[1] : undefined
  const result = isRecord(line.toolUseResult) ? { result: line.toolUseResult } : {}
  return {
    kind: 'tool_result',
    role: 'tool',
    callId,
    text,
    data: {
      ...data,
      ...(isError === true ? { isError } : {}),
      ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
      ...result,
    },
  }
}

function resultText(content: unknown): string {
  if (typeof content === 'string') return content
  const texts = listOf(content).map((block) => {
    if (!isRecord(block)) return ''
    if (block.type === 'image') return '[image]'
    return typeof block.text === 'string' ? block.text : (firstText(block.title, block.url) ?? '')
  })
  return texts.filter(Boolean).join('\n')
}

/**
 * Finds the result that changed a file. A line has one structured result but may have several
 * results: it belongs to the one whose call names the same file.
 */
function changedResult(
  { toolUseResult: result }: JsonRecord,
  results: readonly JsonRecord[],
  { files }: DraftContext,
): JsonRecord | undefined {
  if (!isRecord(result) || !changesFile(result)) return undefined
  const succeeded = results.filter((block) => block.is_error !== true)
  const callOf = (block: JsonRecord) => files.get(block.tool_use_id as string)
  const ofFile = succeeded.filter((block) => callOf(block)?.path === result.filePath)
  const text = startOf(written(result))
  return (
    ofFile.find((block) => text !== undefined && callOf(block)?.start === text) ??
    ofFile.find((block) => callOf(block)?.name !== 'Read') ??
    ofFile[0] ??
    succeeded[0]
  )
}

/** The text that a call or its result wrote. */
function written(value: JsonRecord): unknown {
  return value.new_string ?? value.newString ?? value.content ?? value.new_source
}

function startOf(text: unknown): string | undefined {
  return typeof text === 'string' ? text.slice(0, 1_000) : undefined
}

function changesFile({ structuredPatch, type }: JsonRecord): boolean {
  return Array.isArray(structuredPatch) || type === 'create' || type === 'update'
}

function draftFileChange(block: JsonRecord, line: JsonRecord, data: JsonRecord): EventDraft {
  const { filePath: path, structuredPatch: patch, type, content } = line.toolUseResult as JsonRecord
  const hunks = listOf(patch).filter(isRecord)
  const lines =
    hunks.length > 0
      ? hunks.flatMap((hunk) => [hunkHead(hunk), ...listOf(hunk.lines).filter(isText)])
      : type === 'create' && typeof content === 'string'
        ? content
            .replace(/\n$/, '')
            .split('\n')
            .map((added) => `+${added}`)
        : []
  return {
    kind: 'file_change',
    role: 'tool',
    title: path,
    callId: block.tool_use_id,
    text: lines.length === 0 ? undefined : lines.join('\n'),
    data: {
      ...data,
      paths: [path],
      patch,
      type,
      linesAdded: lines.filter((each) => each.startsWith('+')).length,
      linesRemoved: lines.filter((each) => each.startsWith('-')).length,
    },
  }
}

function hunkHead({ oldStart, oldLines, newStart, newLines }: JsonRecord): string {
  return `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
