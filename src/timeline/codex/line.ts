import { isRecord, type JsonRecord } from '../json.ts'

/** A parsed line of a Codex rollout in either form. */
export interface CodexLine {
  /** `session_meta`, `response_item`, `event_msg`, `turn_context` … */
  readonly type: string
  readonly timestamp: string | undefined
  readonly payload: JsonRecord
  /** True for the form `{ timestamp, type, payload }`. */
  readonly isEnvelope: boolean
}

const ENVELOPE_TYPES: ReadonlySet<string> = new Set([
  'session_meta',
  'response_item',
  'event_msg',
  'turn_context',
  'compacted',
  'world_state',
  'inter_agent_communication_metadata',
])

const ITEM_TYPES: ReadonlySet<string> = new Set([
  'message',
  'reasoning',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'local_shell_call',
  'web_search_call',
])

/**
 * Reads an object as a line of a Codex rollout: the envelope form `{ timestamp, type, payload }`,
 * or the flat form of 2025, whose lines are a header, state records and bare items.
 */
export function asCodexLine(value: unknown): CodexLine | undefined {
  if (!isRecord(value)) return undefined
  const timestamp = typeof value.timestamp === 'string' ? value.timestamp : undefined
  const { type, payload } = value
  if (typeof type === 'string' && isRecord(payload)) {
    return ENVELOPE_TYPES.has(type) ? { type, timestamp, payload, isEnvelope: true } : undefined
  }
  const flat = { timestamp, payload: value, isEnvelope: false }
  if (typeof type === 'string') {
    return ITEM_TYPES.has(type) ? { ...flat, type: 'response_item' } : undefined
  }
  if (value.record_type === 'state') return { ...flat, type: 'state' }
  const isHeader =
    typeof value.id === 'string' && timestamp !== undefined && 'instructions' in value
  return isHeader ? { ...flat, type: 'session_meta' } : undefined
}
