import type { EventDraft } from '../events.ts'
import { isRecord } from '../json.ts'

type Line = Readonly<Record<string, unknown>>

/** What the program says in the user's name. */
const INJECTED =
  /^\s*(?:<command-name>|<command-message>|<local-command-stdout>|<local-command-caveat>|<bash-input>|<bash-stdout>|<task-notification>|<system-reminder>|Caveat:)/
const INTERRUPTED = /^\s*\[Request interrupted by user/

/** A line of the conversation: an event per block of its content. */
export function* draftConversation(line: Line): Generator<EventDraft> {
  const message = isRecord(line.message) ? line.message : undefined
  const content = message?.content
  const base = lineData(line, message)
  if (typeof content === 'string') {
    yield draftText(line, content, base)
  } else if (Array.isArray(content) && content.length > 0) {
    for (const [index, block] of content.entries()) {
      yield* draftBlock(line, block, { ...base, ...(index > 0 ? { block: index } : {}) })
    }
  } else {
    yield { kind: 'other', title: `${String(line.type)} without content`, data: line }
  }
}

function lineData(line: Line, message: Line | undefined): Record<string, unknown> {
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

function draftText(line: Line, text: string, data: Line): EventDraft {
  if (line.type === 'assistant') return { kind: 'message', role: 'assistant', text, data }
  if (line.isCompactSummary === true) return system('context summary', text, data)
  if (INTERRUPTED.test(text)) return system('interrupted', text, data)
  if (line.isMeta === true || INJECTED.test(text)) return system('context', text, data)
  return { kind: 'message', role: 'user', text, data }
}

function system(title: string, text: string, data: Line): EventDraft {
  return { kind: 'system', role: 'system', title, text, data }
}

function* draftBlock(line: Line, block: unknown, data: Line): Generator<EventDraft> {
  if (typeof block === 'string') {
    yield draftText(line, block, data)
    return
  }
  if (!isRecord(block)) {
    yield { kind: 'other', title: 'unknown block', data: { ...data, block } }
    return
  }
  switch (block.type) {
    case 'text':
      yield draftText(line, typeof block.text === 'string' ? block.text : '', data)
      break
    case 'thinking': {
      const text = typeof block.thinking === 'string' ? block.thinking : ''
      yield { kind: 'reasoning', role: 'assistant', text, data }
      break
    }
    case 'tool_use':
      yield draftToolUse(block, data)
      break
    case 'tool_result':
      yield* draftToolResult(line, block, data)
      break
    case 'image':
      yield {
        kind: 'message',
        role: String(line.type),
        text: '[image]',
        data: { ...data, images: 1 },
      }
      break
    default:
      yield { kind: 'other', title: block.type ?? 'unknown block', data: { ...data, block } }
  }
}

function draftToolUse({ id, name, input }: Line, data: Line): EventDraft {
  return {
    kind: 'tool_call',
    role: 'assistant',
    toolName: name,
    callId: id,
    text: inputText(input),
    data: { ...data, input },
  }
}

/** What a person would look for in a call: its command, file or prompt. */
function inputText(input: unknown): string | undefined {
  if (!isRecord(input)) return undefined
  const { command, file_path: path, pattern, url, query, prompt, description } = input
  return [command, path, pattern, url, query, prompt, description].find(
    (value): value is string => typeof value === 'string',
  )
}

function* draftToolResult(line: Line, block: Line, data: Line): Generator<EventDraft> {
  const { tool_use_id: callId, content, is_error: isError } = block
  const result = line.toolUseResult
  const more = isRecord(result) ? { result } : {}
  const text = resultText(content)
  yield {
    kind: 'tool_result',
    role: 'tool',
    callId,
    text,
    data: { ...data, ...(isError === true ? { isError } : {}), ...more },
  }
  if (isRecord(result) && changesFile(result)) yield draftFileChange(callId, result, data)
}

function resultText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  const texts = content.map((block) => {
    if (!isRecord(block)) return ''
    return typeof block.text === 'string' ? block.text : block.type === 'image' ? '[image]' : ''
  })
  return texts.filter(Boolean).join('\n')
}

function changesFile({ structuredPatch, type }: Line): boolean {
  return Array.isArray(structuredPatch) || type === 'create' || type === 'update'
}

function draftFileChange(callId: unknown, result: Line, data: Line): EventDraft {
  const { filePath: path, structuredPatch: patch, type } = result
  return {
    kind: 'file_change',
    role: 'tool',
    title: path,
    callId,
    data: { ...data, paths: [path], patch, type },
  }
}
