import { createPromptSplitter } from '../context.ts'
import { type Amendment, boundedJson, type EventDraft } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'
import type { SessionFacts } from '../parser.ts'
import { createUsageTally, readUsage } from '../usage.ts'
import { GEMINI_CONTEXT } from './context.ts'

/** Messages whose parts are remembered; older ones would appear twice if written again. */
const REMEMBERED_MESSAGES = 20_000
/** States of a call that has no result yet. */
const UNFINISHED: ReadonlySet<unknown> = new Set([
  ...['executing', 'scheduled', 'validating', 'awaiting_approval', 'pending', 'running', 'waiting'],
  ...['in_progress', 'confirming', 'queued'],
])
const FAILED: ReadonlySet<unknown> = new Set([
  'error',
  'failed',
  'cancelled',
  'canceled',
  'rejected',
])
const EXIT_CODE = /^Exit Code: (-?\d{1,5})$/m

type Output = EventDraft | Amendment

/** The messages of a chat. */
export interface Messages {
  /** Adds a message that was written once, as in a document. */
  add(message: JsonRecord): Generator<Output>
  /**
   * Adds a message that may be written again: with more text, or when its tool calls are done. Its events
   * are held back until another message follows.
   */
  write(message: JsonRecord, line: number): Generator<Output>
  /** Takes back a message and all that follow it. */
  rewind(id: unknown): Generator<Output>
  /** Yields the events that were held back. */
  flush(): Generator<Output>
}

interface Told {
  readonly parts: Set<string>
  /** Text of the message as it was last returned, and the key of that event. */
  said?: { readonly text: string; readonly key: string }
}

export function createMessages(facts: SessionFacts): Messages {
  const split = createPromptSplitter(GEMINI_CONTEXT)
  const usage = createUsageTally()
  const told = new Map<string, Told>()
  let hasPrompt = false
  let held: { message: JsonRecord; readonly line: number; readonly copies: number[] } | undefined
  let versions = 0

  function toldOf(id: unknown): Told {
    if (typeof id !== 'string') return { parts: new Set() }
    const known = told.get(id)
    if (known !== undefined) return known
    const added: Told = { parts: new Set() }
    told.set(id, added)
    if (told.size > REMEMBERED_MESSAGES) {
      for (const oldest of told.keys()) {
        told.delete(oldest)
        break
      }
    }
    return added
  }

  function* add(message: JsonRecord): Generator<Output> {
    const { id, model, tokens } = message
    if (typeof model === 'string') facts.model = model
    usage.count(id, readUsage(tokens))
    if (usage.total !== undefined) facts.usage = usage.total
    const known = toldOf(id)
    const isRepeated = known.parts.size > 0
    const keys = typeof id === 'string' ? { key: messageKey(id) } : {}
    let count = 0
    for (const part of partDrafts(message)) {
      const { name, drafts } = part
      if (name === 'content') {
        const text = part.text
        if (known.said?.text === text) continue
        versions += 1
        // A text that was returned before is replaced; both keep their place in the message.
        if (known.said !== undefined) {
          yield { amend: known.said.key, set: { fold: 'duplicate', kind: 'meta' } }
        }
        known.said = { text, key: `text ${versions}` }
        known.parts.add(name)
        count += 1
        for (const draft of drafts) yield { ...draft, key: known.said.key }
        continue
      }
      if (known.parts.has(name)) continue
      known.parts.add(name)
      count += 1
      for (const draft of drafts) yield { ...draft, ...keys }
    }
    if (isRepeated || count === 0) yield remainder(message, isRepeated)
  }

  interface PartDraft {
    /** The same for the same part of the same message. */
    readonly name: string
    readonly text: string
    readonly drafts: readonly EventDraft[]
  }

  function* partDrafts(message: JsonRecord): Generator<PartDraft> {
    const { id: messageId, timestamp: time, type, model, tokens } = message
    const content = message.content ?? message.message
    const shown = contentText(message.displayContent)
    const text = type === 'user' && shown !== '' ? shown : contentText(content)
    const isSpoken = text !== '' || (type !== 'gemini' && message.toolCalls === undefined)
    // Usage is on the text, else on the first event.
    let unstated = !isSpoken && tokens !== undefined
    const withUsage = (draft: EventDraft): EventDraft => {
      if (!unstated) return draft
      unstated = false
      return { ...draft, data: { ...draft.data, model, usage: tokens } }
    }
    for (const [index, thought] of listOf(message.thoughts).entries()) {
      const drafts = [withUsage(draftThought(thought, time, messageId))]
      yield { name: `thought ${index}`, text: '', drafts }
    }
    if (isSpoken) {
      const images = listOf(content).filter(isMedia).length
      const data = { messageId, model, usage: tokens, ...(images > 0 ? { images } : {}) }
      yield { name: 'content', text, drafts: draftSaid(type, text, time, data) }
    }
    for (const [index, call] of listOf(message.toolCalls).entries()) {
      for (const part of callDrafts(call, index, time, messageId)) {
        yield { ...part, drafts: part.drafts.map(withUsage) }
      }
    }
  }

  function draftSaid(type: unknown, text: string, time: unknown, data: JsonRecord): EventDraft[] {
    if (type === 'gemini') return [{ kind: 'message', role: 'assistant', text, time, data }]
    if (type !== 'user') {
      const kind = type === 'info' || type === 'warning' || type === 'error' ? 'system' : 'other'
      return [{ kind, role: 'system', title: type, text, time, data }]
    }
    const { context, prompt } = split(text, { isFirst: !hasPrompt })
    const drafts: EventDraft[] = []
    if (context !== '') {
      const title = 'context'
      drafts.push({
        ...{ kind: 'system', role: 'system', title, text: context, time, fold: 'context' },
        data: prompt === '' ? data : {},
      })
    }
    if (prompt !== '' || context === '') {
      if (prompt !== '') hasPrompt = true
      drafts.push({ kind: 'message', role: 'user', text: prompt, time, data })
    }
    return drafts
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
      yield { name: `call ${index}`, text: '', drafts: [draft] }
      return
    }
    const { id: callId, name: toolName, args: input, description, status, result } = call
    const { timestamp, resultDisplay } = call
    const time = timestamp ?? messageTime
    // Older versions describe the tool rather than the call.
    const what = inputText(input) ?? (typeof description === 'string' ? description : undefined)
    const draft: EventDraft = {
      ...{ kind: 'tool_call', role: 'assistant', toolName, callId, text: what, time: messageTime },
      data: { messageId, input },
    }
    yield { name: `call ${index}`, text: '', drafts: [draft] }
    if (UNFINISHED.has(status) || (!Array.isArray(result) && typeof status !== 'string')) return
    const text = resultText(result) || (typeof resultDisplay === 'string' ? resultDisplay : '')
    const exitCode = EXIT_CODE.exec(text.slice(-500))?.[1]
    const answer: EventDraft = {
      ...{ kind: 'tool_result', role: 'tool', callId, text, time },
      data: {
        messageId,
        status,
        ...(FAILED.has(status) ? { isError: true } : {}),
        ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
      },
    }
    yield { name: `result ${index}`, text: '', drafts: [answer] }
    const change = changeDraft(resultDisplay, callId, time, messageId)
    if (change !== undefined) yield { name: `change ${index}`, text: '', drafts: [change] }
  }

  function* flush(): Generator<Output> {
    if (held === undefined) return
    const { message, line, copies } = held
    held = undefined
    for (const output of add(message)) yield 'amend' in output ? output : { line, ...output }
    for (const copy of copies) yield { ...remainder(message, true), line: copy }
  }

  return {
    add,
    *write(message, line) {
      const { id } = message
      if (held !== undefined && typeof id === 'string' && held.message.id === id) {
        // The last version counts, with what earlier ones had and it has not.
        held = { ...held, message: { ...held.message, ...message }, copies: [...held.copies, line] }
        return
      }
      yield* flush()
      held = { message, line, copies: [] }
    },
    *rewind(id) {
      yield* flush()
      if (typeof id !== 'string' || !told.has(id)) return
      const ids = [...told.keys()]
      for (const later of ids.slice(ids.indexOf(id))) {
        const said = told.get(later)?.said
        yield { amend: messageKey(later), set: { fold: 'rewound' } }
        if (said !== undefined) yield { amend: said.key, set: { fold: 'rewound' } }
        told.delete(later)
      }
    },
    flush,
  }
}

function messageKey(id: string): string {
  return `message ${id}`
}

function draftThought(thought: unknown, time: unknown, messageId: unknown): EventDraft {
  if (!isRecord(thought)) {
    return { kind: 'other', title: 'unknown thought', time, data: { thought } }
  }
  const { subject: title, description, timestamp } = thought
  const text = typeof description === 'string' ? description : ''
  return {
    ...{ kind: 'reasoning', role: 'assistant', title, text, time: timestamp ?? time },
    data: { messageId },
  }
}

function inputText(input: unknown): string | undefined {
  if (!isRecord(input)) return undefined
  const { command, file_path: file, absolute_path: path, path: folder, pattern, query } = input
  return firstText(command, file, path, pattern, query, folder, input.dir_path, input.prompt)
}

function changeDraft(
  display: unknown,
  callId: unknown,
  time: unknown,
  messageId: unknown,
): EventDraft | undefined {
  if (!isRecord(display) || typeof display.fileDiff !== 'string') return undefined
  const { filePath, fileName, fileDiff, diffStat, isNewFile } = display
  const lines = fileDiff.split('\n')
  const linesAdded = lines.filter((line) => /^\+(?!\+\+ )/.test(line)).length
  const linesRemoved = lines.filter((line) => /^-(?!-- )/.test(line)).length
  const path = filePath ?? fileName
  return {
    ...{ kind: 'file_change', role: 'tool', title: path, callId, text: fileDiff, time },
    data: { messageId, paths: [path], diffStat, isNewFile, linesAdded, linesRemoved },
  }
}

function resultText(result: unknown): string {
  const texts = listOf(result).map((part) => {
    const answer =
      isRecord(part) && isRecord(part.functionResponse) ? part.functionResponse : undefined
    const response = isRecord(answer?.response) ? answer.response : undefined
    for (const value of [response?.output, response?.error, response?.content, response?.result]) {
      const text = contentText(value)
      if (text !== '') return text
    }
    // A tool of an extension may name its output in any way.
    const isOther = response !== undefined && Object.keys(response).length > 0
    return isOther ? JSON.stringify(boundedJson(response)) : ''
  })
  return texts.filter(Boolean).join('\n')
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  const texts = listOf(content).map((part) => {
    if (typeof part === 'string') return part
    if (isRecord(part) && typeof part.text === 'string') return part.text
    return isMedia(part) ? '[image]' : ''
  })
  return texts.filter(Boolean).join('\n')
}

function isMedia(part: unknown): boolean {
  return isRecord(part) && ('inlineData' in part || 'fileData' in part || part.type === 'image')
}

function remainder(message: JsonRecord, isRepeated: boolean): EventDraft {
  const { id: messageId, timestamp: time, model, tokens: usage } = message
  const title = isRepeated ? 'repeated' : 'message without content'
  const fold = isRepeated ? ('duplicate' as const) : undefined
  return { kind: 'meta', role: 'system', title, time, fold, data: { messageId, model, usage } }
}
