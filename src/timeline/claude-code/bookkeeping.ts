import type { Amendment, EventDraft, TimelineEventKind } from '../events.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'
import { type DraftContext, draftConversation, draftPrompt, mediaName } from './conversation.ts'

const KINDS: Readonly<Record<string, TimelineEventKind>> = {
  system: 'system',
  'queue-operation': 'system',
  'pr-link': 'system',
  mode: 'system',
  'permission-mode': 'system',
  summary: 'meta',
  'custom-title': 'meta',
  'ai-title': 'meta',
  'agent-name': 'meta',
  'agent-setting': 'meta',
  'last-prompt': 'meta',
  'file-history-snapshot': 'meta',
  'file-history-delta': 'meta',
  attachment: 'meta',
  progress: 'meta',
  tag: 'meta',
  'fork-pointer': 'meta',
  'worktree-state': 'meta',
  'content-replacement': 'meta',
  result: 'meta',
}

/** Drafts a line that is not part of the conversation. */
export function* draftBookkeeping(line: JsonRecord, context: DraftContext): Generator<EventDraft> {
  const type = typeof line.type === 'string' ? line.type : undefined
  const data = isRecord(line.data) ? line.data : undefined
  if (type === 'progress' && data?.type === 'agent_progress' && isRecord(data.message)) {
    yield* draftSubAgent(line, data, data.message, context)
    return
  }
  const queued = queuedPrompt(line)
  if (queued !== undefined) {
    const { uuid, parentUuid } = line
    const drafts = draftPrompt(line, queued, { uuid, parentUuid, queued: true }, context)
    yield* drafts
    return
  }
  const kind = type !== undefined && Object.hasOwn(KINDS, type) ? KINDS[type] : undefined
  yield {
    kind: kind ?? 'other',
    role: kind === undefined ? undefined : 'system',
    title: titleOf(line, type),
    text: textOf(line),
    parentCallId: line.parentToolUseID,
    data: withoutIdentity(line),
  }
}

/** Drafts a sub-agent's message inside a progress line. Its events belong to the call that started it. */
function* draftSubAgent(
  line: JsonRecord,
  data: JsonRecord,
  message: JsonRecord,
  context: DraftContext,
): Generator<EventDraft> {
  for (const draft of draftConversation({ ...message, isSidechain: true }, context)) {
    const more = { ...draft.data, sidechain: true, agentId: data.agentId, progressUuid: line.uuid }
    yield { ...draft, parentCallId: line.parentToolUseID, data: more }
  }
}

/** Returns the text of a prompt that was typed while the agent was working. */
function queuedPrompt({ attachment, origin }: JsonRecord): string | undefined {
  if (!isRecord(attachment) || attachment.type !== 'queued_command') return undefined
  const { commandMode: mode, prompt = attachment.content ?? attachment.text } = attachment
  const from = origin ?? attachment.origin
  const isHuman = isRecord(from) ? from.kind === 'human' : mode === undefined || mode === 'prompt'
  if (!isHuman) return undefined
  if (typeof prompt === 'string') return prompt
  const texts = listOf(prompt).map((block) => {
    if (!isRecord(block)) return typeof block === 'string' ? block : ''
    return typeof block.text === 'string' ? block.text : (mediaName(block) ?? '')
  })
  return texts.filter(Boolean).join('\n') || undefined
}

function titleOf(line: JsonRecord, type: string | undefined): string {
  const { subtype, operation, attachment, data } = line
  const inner = isRecord(attachment) ? attachment.type : isRecord(data) ? data.type : undefined
  const name = [subtype, operation, inner].find((value) => typeof value === 'string') ?? type
  return typeof name === 'string' ? name.replaceAll('_', ' ') : 'unknown line'
}

function textOf(line: JsonRecord): string | undefined {
  const { content, summary, customTitle, aiTitle, agentName, lastPrompt, result } = line
  return (
    firstText(content, summary, customTitle, aiTitle, agentName, lastPrompt, result) ??
    errorText(line.error)
  )
}

function errorText(error: unknown): string | undefined {
  if (!isRecord(error)) return undefined
  const inner = isRecord(error.error) ? error.error : {}
  const innermost = isRecord(inner.error) ? inner.error : {}
  const message = firstText(error.message, inner.message, innermost.message)
  return message ?? (typeof error.status === 'number' ? `API error ${error.status}` : undefined)
}

/** Headers of a failed request that name an organisation or hold a secret. */
const IDENTIFYING = /organi[sz]ation|authorization|cookie|token|key/i

function withoutIdentity(line: JsonRecord): JsonRecord {
  const clean = (part: unknown): unknown => {
    if (!isRecord(part) || !isRecord(part.headers)) return part
    const headers = Object.entries(part.headers).map(([name, value]) => [
      name,
      IDENTIFYING.test(name) ? '[left out]' : value,
    ])
    return { ...part, headers: Object.fromEntries(headers) }
  }
  if (!('error' in line) && !('cause' in line)) return line
  return { ...line, error: clean(line.error), cause: clean(line.cause) }
}

/** Prompts that are remembered while they wait in the queue. */
const MAX_QUEUED = 1_000

/**
 * Matches queued prompts with the lines that bring them into the conversation. A prompt that is only in
 * the queue's own lines counts as a message; of one that is in both, the queue's copy is a duplicate.
 */
export interface PromptQueue {
  /** Adds a prompt of the conversation; `isQueued` if it was typed while the agent was working. */
  said(text: string, isQueued: boolean): Iterable<Amendment>
  /** Adds a line of the queue and returns its event. */
  operate(line: JsonRecord, draft: EventDraft): Iterable<EventDraft | Amendment>
  finish(): Iterable<Amendment>
}

export function createPromptQueue(context: DraftContext): PromptQueue {
  const waiting: { readonly text: string; readonly key: string }[] = []
  const recent = new Set<string>()
  let count = 0
  return {
    *said(text, isQueued) {
      const sent = takeSent(waiting, text.trim())
      if (sent.length === 0 && isQueued) recent.add(text.trim())
      if (recent.size > MAX_QUEUED) recent.clear()
      for (const { key } of sent) yield { amend: key, set: { fold: 'duplicate' } }
    },
    *operate({ operation, content }, draft) {
      const text = typeof content === 'string' ? context.split(content).prompt : ''
      if (operation === 'popAll') {
        yield draft
        for (const { key } of waiting.splice(0)) yield { amend: key, set: { fold: 'rewound' } }
      } else if (operation !== 'enqueue' || text === '') {
        yield draft
      } else if (recent.delete(text)) {
        yield { ...draft, fold: 'duplicate' }
      } else {
        count += 1
        const key = `queue ${count}`
        if (waiting.length < MAX_QUEUED) waiting.push({ text, key })
        yield { ...draft, text, key }
      }
    },
    *finish() {
      for (const { key } of waiting) yield { amend: key, set: { kind: 'message', role: 'user' } }
    },
  }
}

/** Takes the waiting prompt that was sent, or the first ones if they were sent together. */
function takeSent<Prompt extends { readonly text: string }>(
  waiting: Prompt[],
  text: string,
): readonly Prompt[] {
  const at = waiting.findIndex((prompt) => prompt.text === text)
  if (at >= 0) return waiting.splice(at, 1)
  let end = 0
  for (const [index, prompt] of waiting.entries()) {
    while (/\s/.test(text.charAt(end))) end += 1
    if (!text.startsWith(prompt.text, end)) return []
    end += prompt.text.length
    if (end === text.length) return waiting.splice(0, index + 1)
  }
  return []
}
