import type { EventDraft, TimelineEventKind } from '../derived-event.ts'
import { isRecord } from '../is-record.ts'
import { draftConversation } from './conversation.ts'

type Line = Readonly<Record<string, unknown>>

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
export function* draftBookkeeping(line: Line): Generator<EventDraft> {
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
