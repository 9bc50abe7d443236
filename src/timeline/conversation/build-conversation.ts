import type { TimelineEvent } from '../../schema/timeline-event.ts'
import { isRecord } from '../json.ts'
import { readUsage } from '../usage.ts'
import { writtenPath } from './file-diff.ts'
import { describeToolCall, toolOutcome } from './tool-call.ts'

/** A row of a conversation: an event with what belongs to it. */
export interface ConversationRow {
  readonly type: ConversationRowType
  /** The event that the row shows. */
  readonly event: TimelineEvent
  /** Results of a tool call. */
  readonly results: readonly TimelineEvent[]
  /** Changes of files by a tool call. */
  readonly changes: readonly TimelineEvent[]
  /** The conversation of the sub-agent that the row started. */
  readonly agent: readonly ConversationRow[]
  /** Only for the first row: set-up events before it. */
  readonly before: readonly TimelineEvent[]
  /** The turn that followed; only for prompts and for the first row. */
  readonly turn: ConversationTurn | null
}

/** `result` and `change` have no call; a `notice` is an error, an interruption or a compaction. */
export type ConversationRowType =
  | 'prompt'
  | 'answer'
  | 'reasoning'
  | 'tool'
  | 'change'
  | 'result'
  | 'notice'

/** A prompt with everything up to the next one. */
export interface ConversationTurn {
  /** Time from the prompt to the last event, in ms; null without times. */
  readonly durationMs: number | null
  /** The last model that answered. */
  readonly model: string | null
  /** Tokens that the models wrote; null if the log doesn't state them. */
  readonly outputTokens: number | null
  readonly toolCalls: number
  readonly failedCalls: number
  /** Number of different files that were changed. */
  readonly filesChanged: number
  /** Events that a view may fold: set-up, token counts, copies, branches that were given up. */
  readonly folded: readonly TimelineEvent[]
  /** False if events are missing, so that the numbers are of a part. */
  readonly isComplete: boolean
}

/** Options of `buildConversation`. */
export interface ConversationOptions {
  /** Number of events of the session, if `events` may be only some of them. Default: all are there. */
  readonly eventCount?: number
}

/** Titles, in lower case, of system events that belong to a conversation. The outline's filter uses them in SQL. */
export const NOTICE_TITLES: readonly string[] = [
  ...['error', 'warning', 'api error', 'api refusal', 'model refusal fallback'],
  ...['interrupted', 'turn aborted', 'compacted', 'compact boundary'],
]

const NOTICES: ReadonlySet<string> = /* @__PURE__ */ (() => new Set(NOTICE_TITLES))()

/**
 * Builds the rows of a conversation from a session's events: prompts and answers; tool calls with their
 * results and changes of files; sub-agents below the call that started them. Everything else (set-up, token
 * counts, copies, branches that were given up) is in `before` and `turn.folded`, so that no event is lost.
 *
 * For a long session, give it the loaded events, and get the places of the rows from
 * `store.outlineTimeline(principal, { sessionId, conversation: true })`.
 *
 * @param events events of one session, ordered by `seq`
 * @example
 * const rows = buildConversation(events)
 * rows[0] // { type: 'prompt', event, turn: { toolCalls: 12, durationMs: 134_000, … }, … }
 */
export function buildConversation(
  events: readonly TimelineEvent[],
  options: ConversationOptions = {},
): ConversationRow[] {
  const isAgentLog = !events.some((event) => isRowEvent(event) && !isSidechain(event))
  const main = createBuilder()
  const agents = new Map<RowDraft, TimelineEvent[]>()
  const before: TimelineEvent[] = []
  const turns: TurnDraft[] = []
  let last: TimelineEvent | undefined
  let model: string | null = null
  for (const event of events) {
    const isOwn = isAgentLog || !isSidechain(event)
    if (isOwn && typeof event.data.model === 'string' && event.data.model !== '<synthetic>') {
      model = event.data.model
    }
    const turn = turns.at(-1)
    if (last !== undefined && event.seq > last.seq + 1 && turn) turn.isComplete = false
    last = event
    if (!isAgentLog && isSidechain(event)) {
      const caller = main.callerOf(event)
      const nested = caller && agents.get(caller)
      if (nested) nested.push(event)
      else if (caller) agents.set(caller, [event])
      else before.push(event)
      turn?.add(event, model)
      continue
    }
    const row = main.add(event)
    if (row === undefined) (turn?.folded ?? before).push(event)
    else if (row !== 'attached' && (row.type === 'prompt' || turn === undefined)) {
      row.turn = createTurn()
      turns.push(row.turn)
    }
    turns.at(-1)?.add(event, model)
  }
  const end = turns.at(-1)
  const { eventCount } = options
  if (end && eventCount !== undefined && (last?.seq ?? 0) < eventCount - 1) end.isComplete = false
  return main.rows.map((row, index) => ({
    type: row.type,
    event: row.event,
    results: row.results,
    changes: row.changes,
    agent: buildNested(agents.get(row)),
    before: index === 0 ? before : NONE,
    turn: row.turn?.finish() ?? null,
  }))
}

const NONE: readonly never[] = []

function buildNested(events: readonly TimelineEvent[] | undefined): readonly ConversationRow[] {
  return events === undefined ? NONE : buildConversation(events)
}

interface RowDraft {
  readonly type: ConversationRowType
  readonly event: TimelineEvent
  readonly results: TimelineEvent[]
  readonly changes: TimelineEvent[]
  turn: TurnDraft | null
}

function createBuilder() {
  const rows: RowDraft[] = []
  const calls = new Map<string, RowDraft>()
  /** Rows that a sub-agent belongs to, by the agent's id. */
  const callers = new Map<string, RowDraft>()
  let lastAgentCall: RowDraft | undefined
  let lastCaller: RowDraft | undefined

  return {
    rows,
    /** Adds a row, attaches the event to the row of its call, or returns undefined for a folded event. */
    add(event: TimelineEvent): RowDraft | 'attached' | undefined {
      const call = event.parentId === null ? undefined : calls.get(event.parentId)
      if (call !== undefined && event.kind === 'tool_result') {
        call.results.push(event)
        return 'attached'
      }
      if (call !== undefined && event.kind === 'file_change' && event.fold === null) {
        call.changes.push(event)
        return 'attached'
      }
      const type = rowType(event)
      if (type === undefined) return undefined
      const row: RowDraft = { type, event, results: [], changes: [], turn: null }
      rows.push(row)
      if (type === 'tool') {
        calls.set(event.id, row)
        if (describeToolCall(event).action === 'agent') lastAgentCall = row
      }
      return row
    },
    /**
     * Finds the row that started a sub-agent: the call that the log names, one with the agent's prompt, or
     * the last call of an agent. Undefined before the first row.
     */
    callerOf(event: TimelineEvent): RowDraft | undefined {
      const id = typeof event.data.agentId === 'string' ? event.data.agentId : undefined
      const known = id === undefined ? undefined : callers.get(id)
      const parent = event.parentId === null ? undefined : calls.get(event.parentId)
      const isStart = event.role === 'agent' && event.kind === 'message'
      const byPrompt = isStart
        ? rows.findLast((row) => promptOf(row.event) === event.text)
        : undefined
      const row =
        known ??
        parent ??
        byPrompt ??
        (isStart ? lastAgentCall : lastCaller) ??
        lastAgentCall ??
        rows.at(-1)
      if (row === undefined) return undefined
      if (id !== undefined) callers.set(id, row)
      lastCaller = row
      return row
    },
  }
}

function promptOf({ kind, data: { input } }: TimelineEvent): unknown {
  return kind === 'tool_call' && isRecord(input) ? input.prompt : undefined
}

/** An event of a sub-agent. */
const isSidechain = ({ data }: TimelineEvent) => data.sidechain === true

/** True for an event that has a row, unless it belongs to a call. */
const isRowEvent = (event: TimelineEvent) => rowType(event) !== undefined

function rowType(event: TimelineEvent): ConversationRowType | undefined {
  const { kind, role, fold, parentId, title, data } = event
  if (fold !== null) return undefined
  switch (kind) {
    case 'message':
      if (role === 'system') return undefined
      return role === 'user' || role === 'agent' ? 'prompt' : 'answer'
    case 'reasoning':
      return 'reasoning'
    case 'tool_call':
      return 'tool'
    case 'tool_result':
      return parentId === null ? 'result' : undefined
    case 'file_change':
      return parentId === null ? 'change' : undefined
    case 'system':
      return data.isError === true || NOTICES.has(title?.toLowerCase() ?? '') ? 'notice' : undefined
    default:
      return undefined
  }
}

interface TurnDraft {
  readonly folded: TimelineEvent[]
  isComplete: boolean
  /** @param model the last one that the log names */
  add(event: TimelineEvent, model: string | null): void
  finish(): ConversationTurn
}

function createTurn(): TurnDraft {
  const folded: TimelineEvent[] = []
  const tokens = new Map<string, number>()
  const files = new Set<unknown>()
  /** Files that calls write, by the call's id: not every log has their changes. */
  const writes = new Map<string, string>()
  let [first, last] = [null as Date | null, null as Date | null]
  let model: string | null = null
  let [toolCalls, failedCalls] = [0, 0]
  return {
    folded,
    isComplete: true,
    add(event, lastModel) {
      const { kind, occurredAt, data } = event
      model = lastModel
      if (occurredAt !== null) {
        first ??= occurredAt
        last = occurredAt
      }
      if (kind === 'tool_call') {
        toolCalls += 1
        const path = writtenPath(data.input)
        if (path !== undefined) writes.set(event.id, path)
      }
      if (kind === 'tool_result') {
        const path = writes.get(event.parentId ?? '')
        if (toolOutcome([event]).isError) failedCalls += 1
        else if (path !== undefined) files.add(path)
      }
      if (kind === 'file_change') {
        for (const path of Array.isArray(data.paths) ? data.paths : [event.title]) files.add(path)
      }
      const written = outputTokensOf(event)
      if (written === undefined) return
      // Each block of an answer repeats the answer's usage, some the one at its start.
      const answer = typeof data.messageId === 'string' ? data.messageId : event.id
      tokens.set(answer, Math.max(tokens.get(answer) ?? 0, written))
    },
    finish() {
      return {
        durationMs: first && last && Math.max(0, last.getTime() - first.getTime()),
        model,
        outputTokens:
          tokens.size === 0 ? null : [...tokens.values()].reduce((sum, count) => sum + count, 0),
        toolCalls,
        failedCalls,
        filesChanged: files.size,
        folded,
        isComplete: this.isComplete,
      }
    },
  }
}

function outputTokensOf({ kind, data, fold }: TimelineEvent): number | undefined {
  if (fold === 'replayed' || fold === 'duplicate') return undefined
  // Codex writes the usage of the last answer in an event of its own.
  const info = kind === 'meta' && isRecord(data.info) ? data.info.last_token_usage : undefined
  return readUsage(info ?? data.usage)?.outputTokens
}
