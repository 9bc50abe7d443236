import type { EventDraft } from '../events.ts'
import { brokenLineDraft, isRecord, readJsonLine, unknownLineDraft } from '../json.ts'
import type { LogLine } from '../lines.ts'
import { defineTimelineParser, type SessionFacts } from '../parser.ts'
import { folderName } from '../summary.ts'
import { draftEventMessage, draftResponseItem } from './items.ts'
import { type CodexRecord, createTwinPairing } from './twins.ts'

/** Reads rollouts of the Codex CLI, in the envelope form and in the flat form of 2025. */
export const codexParser = defineTimelineParser({
  name: 'codex',
  format: 'codex',
  version: 1,
  detect({ text, values }) {
    const lines = values.map(asCodexLine)
    if (lines.some((line) => line?.isEnvelope)) return 1
    if (lines.some((line) => line?.type === 'session_meta')) return 0.9
    return /^\s*\{"timestamp":"[^"]*","type":"session_meta","payload":\{/.test(text) ? 0.8 : 0
  },
  create() {
    const pairing = createTwinPairing()
    const facts: SessionFacts = {}
    return {
      facts,
      *push(line) {
        for (const record of recordsOf(line)) {
          if (record.source?.type === 'session_meta' && facts.agentSessionId === undefined) {
            readSessionMeta(facts, record.source)
          }
          yield* pairing.add(record).map(toDraft)
        }
      },
      finish: () => pairing.finish().map(toDraft),
    }
  },
})

function recordsOf(line: LogLine): CodexRecord[] {
  if (line.truncated) return [broken(line, line.text)]
  return readJsonLine(line.text).map((part) => {
    if ('broken' in part) return broken(line, part.broken)
    const source = asCodexLine(part.value)
    const draft = source === undefined ? unknownLineDraft(part.value) : draftCodexLine(source)
    return { line: line.number, source, draft }
  })
}

function broken(line: LogLine, text: string): CodexRecord {
  return { line: line.number, source: undefined, draft: brokenLineDraft(line, text) }
}

function toDraft({ draft, line, source }: CodexRecord): EventDraft {
  return { ...draft, line, time: source?.timestamp }
}

/** The session began when its header says, which is before its first line was written. */
function readSessionMeta(facts: SessionFacts, { payload }: CodexLine): void {
  facts.agentSessionId = payload.id
  facts.startedAt = payload.timestamp
  facts.workspaceRoot = payload.cwd
  if (!isRecord(payload.git)) return
  facts.repo = payload.git
  facts.repositoryUrl = payload.git.repository_url
}

/** A parsed line of a Codex rollout, whichever of the two forms it has. */
export interface CodexLine {
  /** What the line is: `session_meta`, `response_item`, `event_msg`, `turn_context` … */
  readonly type: string
  readonly timestamp: string | undefined
  readonly payload: Readonly<Record<string, unknown>>
  /** Whether the line has the form `{ timestamp, type, payload }`. */
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
function asCodexLine(value: unknown): CodexLine | undefined {
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

/** What one line of a Codex rollout says. */
function draftCodexLine(line: CodexLine): EventDraft {
  const { payload } = line
  switch (line.type) {
    case 'response_item':
      return draftResponseItem(payload)
    case 'event_msg':
      return draftEventMessage(payload)
    case 'session_meta':
      return { kind: 'meta', role: 'system', title: sessionTitle(payload), data: payload }
    case 'turn_context':
      return { kind: 'meta', role: 'system', title: turnTitle(payload), data: payload }
    case 'state':
      return { kind: 'meta', role: 'system', title: 'state', data: payload }
    case 'compacted':
      return { kind: 'system', role: 'system', title: 'compacted', data: payload }
    default:
      return { kind: 'other', title: line.type, data: payload }
  }
}

function sessionTitle(payload: Readonly<Record<string, unknown>>): string {
  const git = isRecord(payload.git) ? payload.git : {}
  const folder = typeof payload.cwd === 'string' ? folderName(payload.cwd) : undefined
  const branch = typeof git.branch === 'string' ? git.branch : undefined
  return [folder ?? 'session', branch].filter((part) => part !== undefined).join(' · ')
}

function turnTitle({ model, effort }: Readonly<Record<string, unknown>>): string {
  return [model, effort].filter((part) => typeof part === 'string').join(' · ') || 'turn'
}
