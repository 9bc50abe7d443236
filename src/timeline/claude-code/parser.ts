import type { EventDraft, TimelineEventKind } from '../events.ts'
import { brokenLineDraft, isRecord, readJsonLine, unknownLineDraft } from '../json.ts'
import { defineTimelineParser, type LogStart, type SessionFacts } from '../parser.ts'
import { draftConversation } from './conversation.ts'

type Line = Readonly<Record<string, unknown>>

/** Reads transcripts of Claude Code, sub-agents' included: one event per content block. */
export const claudeCodeParser = defineTimelineParser({
  name: 'claude-code',
  format: 'claude-code',
  version: 1,
  detect,
  create() {
    const facts: SessionFacts = {}
    // Bookkeeping lines have no time of their own: theirs is that of the line before.
    let lastTime: unknown
    return {
      facts,
      *push(line) {
        if (line.truncated) {
          yield { ...brokenLineDraft(line, line.text), time: lastTime }
          return
        }
        for (const part of readJsonLine(line.text)) {
          if ('broken' in part) {
            yield { ...brokenLineDraft(line, part.broken), time: lastTime }
          } else if (!isRecord(part.value)) {
            yield { ...unknownLineDraft(part.value), time: lastTime }
          } else {
            if (typeof part.value.timestamp === 'string') lastTime = part.value.timestamp
            readFacts(facts, part.value)
            for (const draft of draftsOf(part.value))
              yield { ...draft, time: draft.time ?? lastTime }
          }
        }
      },
      finish: () => [],
    }
  },
})

const OWN_TYPES: ReadonlySet<unknown> = new Set([
  'summary',
  'file-history-snapshot',
  'queue-operation',
  'progress',
  'attachment',
  'last-prompt',
  'custom-title',
  'mode',
  'permission-mode',
])

function detect({ text, values }: LogStart): number {
  const records = values.filter(isRecord)
  // Qwen Code has the same envelope around other messages.
  if (records.some(({ message }) => isRecord(message) && Array.isArray(message.parts))) return 0
  const confidence = Math.max(0, ...records.map(confidenceIn))
  if (confidence > 0) return confidence
  return /^\s*\{[^\n]{0,2000}"(?:parentUuid|sessionId)":[^\n]*"message":\{/.test(text) ? 0.5 : 0
}

function confidenceIn(value: Line): number {
  const hasSession = typeof value.sessionId === 'string'
  if (hasSession && (value.type === 'user' || value.type === 'assistant') && value.message) return 1
  if (hasSession && 'parentUuid' in value) return 0.9
  if (value.type === 'summary' && typeof value.leafUuid === 'string') return 0.9
  return OWN_TYPES.has(value.type) && (hasSession || 'messageId' in value) ? 0.9 : 0
}

function draftsOf(value: Line): Iterable<EventDraft> {
  const { type } = value
  return type === 'user' || type === 'assistant'
    ? draftConversation(value)
    : draftBookkeeping(value)
}

function readFacts(facts: SessionFacts, value: Line): void {
  if (typeof value.sessionId === 'string') facts.agentSessionId ??= value.sessionId
  if (typeof value.cwd === 'string') facts.workspaceRoot ??= value.cwd
  if (typeof value.gitBranch === 'string' && value.gitBranch !== '') {
    facts.repo ??= { branch: value.gitBranch }
  }
  if (value.type === 'custom-title') facts.title = value.customTitle
  if (value.type === 'ai-title') facts.title ??= value.aiTitle
}

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
  'last-prompt': 'meta',
  'file-history-snapshot': 'meta',
  'file-history-delta': 'meta',
  attachment: 'meta',
  progress: 'meta',
}

/** A line that is not part of the conversation: what happened around it. */
function* draftBookkeeping(line: Line): Generator<EventDraft> {
  const type = typeof line.type === 'string' ? line.type : undefined
  const data = isRecord(line.data) ? line.data : undefined
  if (type === 'progress' && data?.type === 'agent_progress' && isRecord(data.message)) {
    yield* draftSubAgent(line, data, data.message)
    return
  }
  const kind = type !== undefined && Object.hasOwn(KINDS, type) ? KINDS[type] : undefined
  yield {
    kind: kind ?? 'other',
    role: kind === undefined ? undefined : 'system',
    title: titleOf(line, type),
    text: textOf(line),
    parentCallId: line.parentToolUseID,
    data: withoutHeaders(line),
  }
}

/** A sub-agent's message inside a progress line: its events belong to the call that started it. */
function* draftSubAgent(line: Line, data: Line, message: Line): Generator<EventDraft> {
  for (const draft of draftConversation(message)) {
    const more = { ...draft.data, sidechain: true, agentId: data.agentId, progressUuid: line.uuid }
    yield { ...draft, parentCallId: line.parentToolUseID, data: more }
  }
}

function titleOf(line: Line, type: string | undefined): string {
  const { subtype, operation, attachment, data } = line
  const inner = isRecord(attachment) ? attachment.type : isRecord(data) ? data.type : undefined
  const name = [subtype, operation, inner].find((value) => typeof value === 'string') ?? type
  return typeof name === 'string' ? name.replaceAll('_', ' ') : 'unknown line'
}

function textOf(line: Line): string | undefined {
  const { content, summary, customTitle, aiTitle, agentName, lastPrompt } = line
  return [content, summary, customTitle, aiTitle, agentName, lastPrompt].find(
    (value): value is string => typeof value === 'string',
  )
}

/** The answer headers of a failed request name the organisation: they are left out. */
function withoutHeaders(line: Line): Line {
  if (!isRecord(line.error) || !('headers' in line.error)) return line
  return { ...line, error: { ...line.error, headers: '[left out]' } }
}
