import { createPromptSplitter } from '../context.ts'
import type { Amendment, EventDraft } from '../events.ts'
import {
  brokenLineDraft,
  firstText,
  isRecord,
  type JsonRecord,
  readJsonLine,
  unknownLineDraft,
} from '../json.ts'
import { defineTimelineParser, type LogStart, type SessionFacts } from '../parser.ts'
import { createUsageTally, readUsage } from '../usage.ts'
import { createPromptQueue, draftBookkeeping } from './bookkeeping.ts'
import { createBranches } from './branches.ts'
import { CLAUDE_CONTEXT } from './context.ts'
import { type DraftContext, draftConversation } from './conversation.ts'

/** Lines whose id is remembered, to recognise copies. */
const REMEMBERED_LINES = 300_000
/** Summaries that may name this session. */
const MAX_SUMMARIES = 100

/**
 * Reads transcripts of Claude Code and its sub-agents, and the output of `claude -p` with
 * `--output-format stream-json`: one event per content block.
 */
export const claudeCodeParser = defineTimelineParser({
  name: 'claude-code',
  version: 3,
  detect,
  create() {
    const facts: SessionFacts = {}
    const context: DraftContext = {
      split: createPromptSplitter(CLAUDE_CONTEXT),
      hasPrompt: false,
      files: new Map(),
    }
    const branches = createBranches()
    const queue = createPromptQueue(context)
    const readFacts = createFactReader(facts)
    const seen = new Set<string>()
    // Bookkeeping lines have no time; they get that of the line before.
    let lastTime: unknown

    function* draftsOf(line: JsonRecord): Generator<EventDraft | Amendment> {
      const { type, uuid } = line
      const id = idOf(uuid)
      const isCopy = id !== undefined && seen.has(id)
      if (id !== undefined && seen.size < REMEMBERED_LINES) seen.add(id)
      const drafts =
        type === 'user' || type === 'assistant'
          ? [...draftConversation(line, context)]
          : [...draftBookkeeping(line, context)]
      if (isCopy) {
        yield* drafts.map(asCopy)
        return
      }
      readFacts(line)
      const prompt = drafts.find(({ kind, role }) => kind === 'message' && role === 'user')
      const isQueued = prompt?.data?.queued === true
      if (id !== undefined) branches.add(line, id, prompt !== undefined && !isQueued)
      if (prompt !== undefined) yield* queue.said(prompt.text ?? '', isQueued)
      const [draft] = drafts
      if (type === 'queue-operation' && draft !== undefined) yield* queue.operate(line, draft)
      else yield* drafts.map((each) => (id === undefined ? each : { ...each, key: id }))
    }

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
            for (const output of draftsOf(part.value)) {
              yield 'amend' in output ? output : { ...output, time: output.time ?? lastTime }
            }
          }
        }
      },
      *finish() {
        readFacts.end(seen)
        yield* queue.finish()
        yield* branches.finish()
      },
    }
  },
})

/** Recorders that mask secrets may mask ids, too: those are not unique. */
function idOf(uuid: unknown): string | undefined {
  return typeof uuid === 'string' && /^[\w-]{1,100}$/.test(uuid) && uuid !== 'REDACTED'
    ? uuid
    : undefined
}

function asCopy(draft: EventDraft): EventDraft {
  const { kind, data, text } = draft
  return {
    kind: 'meta',
    role: 'system',
    title: 'repeated',
    text,
    data: { ...data, repeats: kind },
    fold: 'duplicate',
  }
}

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
  return /^\s*\{[^\n]{0,2000}"(?:parentUuid|sessionId)":[^\n]*"message":\{/.test(
    text.slice(0, 16_000),
  )
    ? 0.5
    : 0
}

function confidenceIn(value: JsonRecord): number {
  const hasSession = typeof value.sessionId === 'string'
  if (hasSession && (value.type === 'user' || value.type === 'assistant') && value.message) return 1
  if (hasSession && 'parentUuid' in value) return 0.9
  if (value.type === 'system' && value.subtype === 'init' && 'session_id' in value) return 0.9
  if (value.type === 'summary' && typeof value.leafUuid === 'string') return 0.9
  return OWN_TYPES.has(value.type) && (hasSession || 'messageId' in value) ? 0.9 : 0
}

/** The log of a sub-agent has the id of its parent. */
function ownId(sessionId: string, { isSidechain, agentId }: JsonRecord): string {
  const isOwnLog = isSidechain === true && typeof agentId === 'string'
  return isOwnLog && !sessionId.includes(agentId) ? `${sessionId}/${agentId}` : sessionId
}

interface FactReader {
  (line: JsonRecord): void
  /** Chooses the title after the last line. */
  end(seen: ReadonlySet<string>): void
}

/** Titles, best first: the user's, the model's, a summary of this session. */
function createFactReader(facts: SessionFacts): FactReader {
  const usage = createUsageTally()
  let totalCost = 0
  let lastAnswer: unknown
  const summaries = new Map<string, unknown>()
  let customTitle: unknown
  let modelTitle: unknown

  function readMessage(message: JsonRecord, line: JsonRecord): void {
    if (message.model === '<synthetic>' || line.isApiErrorMessage === true) return
    if (typeof message.model === 'string' && line.isSidechain !== true) facts.model = message.model
    usage.count(message.id, readUsage(message.usage))
    if (usage.total !== undefined) facts.usage = usage.total
    const cost = line.costUSD
    if (typeof cost === 'number' && message.id !== lastAnswer) {
      totalCost += cost
      facts.costUsd = totalCost
    }
    lastAnswer = message.id
  }

  function read(line: JsonRecord): void {
    const { type, message, data } = line
    const sessionId = line.sessionId ?? line.session_id
    if (typeof sessionId === 'string') facts.agentSessionId ??= ownId(sessionId, line)
    if (typeof line.cwd === 'string') facts.workspaceRoot ??= line.cwd
    if (typeof line.version === 'string') facts.agentVersion = line.version
    if (typeof line.gitBranch === 'string' && line.gitBranch !== '') {
      facts.repo ??= { branch: line.gitBranch }
    }
    if (type === 'assistant' && isRecord(message)) readMessage(message, line)
    const nested = type === 'progress' && isRecord(data) ? data.message : undefined
    if (isRecord(nested) && nested.type === 'assistant' && isRecord(nested.message)) {
      readMessage(nested.message, { isSidechain: true })
    }
    if (type === 'custom-title') customTitle = line.customTitle
    if (type === 'ai-title') modelTitle ??= line.aiTitle
    if (type === 'summary' && typeof line.leafUuid === 'string' && summaries.size < MAX_SUMMARIES) {
      summaries.set(line.leafUuid, line.summary)
    }
    if (type === 'result' && typeof line.total_cost_usd === 'number') {
      facts.costUsd = line.total_cost_usd
    }
  }

  return Object.assign(read, {
    end(seen: ReadonlySet<string>) {
      const summary = [...summaries].findLast(([leaf]) => seen.has(leaf))?.[1]
      facts.title = firstText(customTitle, modelTitle, summary) ?? facts.title
    },
  })
}
