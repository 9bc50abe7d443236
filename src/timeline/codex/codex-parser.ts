import type { EventDraft } from '../derived-event.ts'
import { isRecord } from '../is-record.ts'
import { brokenLineDraft, readJsonLine, unknownLineDraft } from '../json-line.ts'
import type { LogLine } from '../log-lines.ts'
import { defineTimelineParser, type SessionFacts } from '../timeline-parser.ts'
import { asCodexLine, type CodexLine } from './codex-line.ts'
import { draftCodexLine } from './draft-codex-line.ts'
import { type CodexRecord, createTwinPairing } from './pair-twins.ts'

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
