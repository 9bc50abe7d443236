import { createPromptSplitter } from '../context.ts'
import type { Amendment, EventDraft } from '../events.ts'
import {
  brokenLineDraft,
  isRecord,
  type JsonRecord,
  readJsonLine,
  unknownLineDraft,
} from '../json.ts'
import type { LogLine } from '../lines.ts'
import { defineTimelineParser, type SessionFacts } from '../parser.ts'
import { folderName } from '../summary.ts'
import { CODEX_CONTEXT } from './context.ts'
import { type DraftContext, draftEventMessage, draftResponseItem } from './items.ts'
import { asCodexLine, type CodexLine } from './line.ts'
import { type CodexRecord, createPairing } from './pairing.ts'
import { createThread } from './thread.ts'

/** Reads rollouts of the Codex CLI, in the envelope form and in the flat form of 2025. */
export const codexParser = defineTimelineParser({
  name: 'codex',
  version: 3,
  detect({ text, values }) {
    const lines = values.map(asCodexLine)
    if (lines.some((line) => line?.isEnvelope)) return 1
    if (lines.some((line) => line?.type === 'session_meta')) return 0.9
    return /^\s*\{"timestamp":"[^"]*","type":"session_meta","payload":\{/.test(text) ? 0.8 : 0
  },
  create() {
    const facts: SessionFacts = {}
    const context: DraftContext = {
      split: createPromptSplitter(CODEX_CONTEXT),
      promptRole: 'user',
      hasPrompt: false,
    }
    const pairing = createPairing()
    const thread = createThread(facts)
    function* release(records: readonly CodexRecord[]): Generator<EventDraft | Amendment> {
      for (const record of records) yield* thread.place(record)
    }
    return {
      facts,
      *push(line) {
        for (const record of recordsOf(line, context)) {
          const { source } = record
          if (source?.type === 'session_meta' && facts.agentSessionId === undefined) {
            readSessionMeta(facts, source)
            if (isSubAgent(source.payload)) context.promptRole = 'agent'
          }
          yield* release(pairing.add(record))
        }
      },
      *finish() {
        yield* release(pairing.finish())
      },
    }
  },
})

function recordsOf(line: LogLine, context: DraftContext): CodexRecord[] {
  if (line.truncated) return [broken(line, line.text)]
  return readJsonLine(line.text).map((part) => {
    if ('broken' in part) return broken(line, part.broken)
    const source = asCodexLine(part.value)
    const drafts =
      source === undefined ? [unknownLineDraft(part.value)] : draftCodexLine(source, context)
    return { line: line.number, source, drafts }
  })
}

function broken(line: LogLine, text: string): CodexRecord {
  return { line: line.number, source: undefined, drafts: [brokenLineDraft(line, text)] }
}

/** The session started when its header was created, which is before the header was written. */
function readSessionMeta(facts: SessionFacts, { payload }: CodexLine): void {
  facts.agentSessionId = payload.id
  facts.startedAt = payload.timestamp
  facts.workspaceRoot = payload.cwd
  facts.agentVersion = payload.cli_version
  if (!isRecord(payload.git)) return
  facts.repo = payload.git
  facts.repositoryUrl = payload.git.repository_url
}

function isSubAgent(header: JsonRecord): boolean {
  const { source, thread_source: thread, parent_thread_id: parent } = header
  if (thread === 'subagent' || source === 'subagent') return true
  if (isRecord(source) && 'subagent' in source) return true
  // A fork has a parent, too.
  const isAgent = 'agent_nickname' in header || 'agent_role' in header || 'agent_path' in header
  return typeof parent === 'string' && isAgent && header.forked_from_id === undefined
}

function draftCodexLine(line: CodexLine, context: DraftContext): EventDraft[] {
  const { payload } = line
  switch (line.type) {
    case 'response_item':
      return draftResponseItem(payload, context)
    case 'event_msg':
      return draftEventMessage(payload, context)
    case 'session_meta':
      return [{ kind: 'meta', role: 'system', title: sessionTitle(payload), data: payload }]
    case 'turn_context':
      return [{ kind: 'meta', role: 'system', title: turnTitle(payload), data: payload }]
    case 'state':
      return [{ kind: 'meta', role: 'system', title: 'state', data: payload }]
    case 'compacted':
      return [{ kind: 'system', role: 'system', title: 'compacted', data: payload }]
    default:
      return [{ kind: 'other', title: line.type, data: payload }]
  }
}

function sessionTitle(payload: JsonRecord): string {
  const git = isRecord(payload.git) ? payload.git : {}
  const folder = typeof payload.cwd === 'string' ? folderName(payload.cwd) : undefined
  const branch = typeof git.branch === 'string' ? git.branch : undefined
  return [folder ?? 'session', branch].filter((part) => part !== undefined).join(' · ')
}

function turnTitle({ model, effort }: JsonRecord): string {
  return [model, effort].filter((part) => typeof part === 'string').join(' · ') || 'turn'
}
