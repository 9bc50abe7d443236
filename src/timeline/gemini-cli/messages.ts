import type { EventDraft } from '../events.ts'
import { isRecord } from '../json.ts'

type Value = Readonly<Record<string, unknown>>

/** Messages whose parts are remembered; older ones would be told twice if written again. */
const REMEMBERED_MESSAGES = 5_000

/** Makes events of a chat's messages. */
export interface MessageDrafts {
  /** The events of one message; of one that was told before, only what is new in it. */
  draftsOf(message: Value): Iterable<EventDraft>
}

/**
 * A message is written again, with the same id, when its tool calls are done. What was told before is
 * not told again; that the message was repeated becomes a `meta` event.
 */
export function createMessageDrafts(): MessageDrafts {
  const told = new Map<string, Set<string>>()
  const partsOf = (id: unknown): Set<string> => {
    if (typeof id !== 'string') return new Set()
    const parts = told.get(id) ?? new Set<string>()
    told.delete(id)
    told.set(id, parts)
    if (told.size > REMEMBERED_MESSAGES) {
      const oldest = told.keys().next()
      if (!oldest.done) told.delete(oldest.value)
    }
    return parts
  }
  return {
    *draftsOf(message) {
      const parts = partsOf(message.id)
      const isRepeated = parts.size > 0
      let count = 0
      for (const { part, draft } of partDrafts(message)) {
        if (parts.has(part)) continue
        parts.add(part)
        count += 1
        yield draft
      }
      if (isRepeated || count === 0) yield remainder(message, isRepeated)
    },
  }
}

interface PartDraft {
  /** The same for the same part of the same message. */
  readonly part: string
  readonly draft: EventDraft
}

function* partDrafts(message: Value): Generator<PartDraft> {
  const { id: messageId, timestamp: time, type, model, tokens } = message
  const data = { messageId, model, usage: tokens }
  const isAgent = type === 'gemini'
  for (const [index, thought] of listOf(message.thoughts).entries()) {
    yield { part: `thought ${index}`, draft: draftThought(thought, time, messageId) }
  }
  const text = contentText(message.content ?? message.message)
  if (text !== '' || (!isAgent && message.toolCalls === undefined)) {
    yield {
      part: `content ${text.length} ${text.slice(0, 40)}`,
      draft: draftSaid(type, text, time, data),
    }
  }
  for (const [index, call] of listOf(message.toolCalls).entries()) {
    yield* callDrafts(call, index, time, messageId)
  }
}

function draftSaid(type: unknown, text: string, time: unknown, data: Value): EventDraft {
  if (type === 'user') return { kind: 'message', role: 'user', text, time, data }
  if (type === 'gemini') return { kind: 'message', role: 'assistant', text, time, data }
  const kind = type === 'info' || type === 'warning' || type === 'error' ? 'system' : 'other'
  return { kind, role: 'system', title: type, text, time, data }
}

function draftThought(thought: unknown, time: unknown, messageId: unknown): EventDraft {
  if (!isRecord(thought))
    return { kind: 'other', title: 'unknown thought', time, data: { thought } }
  const { subject: title, description, timestamp } = thought
  const text = typeof description === 'string' ? description : ''
  return {
    kind: 'reasoning',
    role: 'assistant',
    title,
    text,
    time: timestamp ?? time,
    data: { messageId },
  }
}

function* callDrafts(
  call: unknown,
  index: number,
  messageTime: unknown,
  messageId: unknown,
): Generator<PartDraft> {
  if (!isRecord(call)) {
    const draft: EventDraft = {
      kind: 'other',
      title: 'unknown call',
      time: messageTime,
      data: { call },
    }
    yield { part: `call ${index}`, draft }
    return
  }
  const {
    id: callId,
    name,
    args: input,
    description,
    status,
    result,
    timestamp,
    resultDisplay,
  } = call
  const time = timestamp ?? messageTime
  const text = typeof description === 'string' ? description : undefined
  yield {
    part: `call ${index}`,
    draft: {
      kind: 'tool_call',
      role: 'assistant',
      toolName: name,
      callId,
      text,
      time: messageTime,
      data: { messageId, input },
    },
  }
  if (!Array.isArray(result) && typeof status !== 'string') return
  const isError = status !== undefined && status !== 'success' ? true : undefined
  yield {
    part: `result ${index} ${String(status)}`,
    draft: {
      kind: 'tool_result',
      role: 'tool',
      callId,
      text: resultText(result),
      time,
      data: { messageId, status, ...(isError ? { isError } : {}) },
    },
  }
  if (!isRecord(resultDisplay) || typeof resultDisplay.fileDiff !== 'string') return
  const { filePath, fileName, fileDiff, diffStat, isNewFile } = resultDisplay
  const data = { messageId, paths: [filePath ?? fileName], diffStat, isNewFile }
  yield {
    part: `change ${index}`,
    draft: {
      kind: 'file_change',
      role: 'tool',
      title: filePath ?? fileName,
      callId,
      text: fileDiff,
      time,
      data,
    },
  }
}

function resultText(result: unknown): string {
  const texts = listOf(result).map((part) => {
    const answer =
      isRecord(part) && isRecord(part.functionResponse) ? part.functionResponse : undefined
    const response = isRecord(answer?.response) ? answer.response : undefined
    const said = response?.output ?? response?.error
    return typeof said === 'string' ? said : ''
  })
  return texts.filter(Boolean).join('\n')
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  const texts = listOf(content).map((part) => {
    if (typeof part === 'string') return part
    return isRecord(part) && typeof part.text === 'string' ? part.text : ''
  })
  return texts.filter(Boolean).join('\n')
}

function remainder(message: Value, isRepeated: boolean): EventDraft {
  const { id: messageId, timestamp: time, model, tokens: usage } = message
  const title = isRepeated ? 'repeated' : 'message without content'
  return { kind: 'meta', role: 'system', title, time, data: { messageId, model, usage } }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
