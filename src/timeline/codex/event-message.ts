import type { EventDraft, TimelineEventKind } from '../derived-event.ts'
import { isRecord } from '../is-record.ts'

type Payload = Readonly<Record<string, unknown>>

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
