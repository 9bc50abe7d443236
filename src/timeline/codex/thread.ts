import { type Amendment, type EventDraft, parseTime } from '../events.ts'
import { isRecord, type JsonRecord } from '../json.ts'
import type { SessionFacts } from '../parser.ts'
import { plus, readUsage, type TokenUsage } from '../usage.ts'
import { draftAppliedPatch, patchIn } from './items.ts'
import type { CodexRecord } from './pairing.ts'

/** Calls of `apply_patch` without an end yet. */
const OPEN_PATCHES = 1_000
/** Turns that a rollback can reach. */
const OPEN_TURNS = 10_000
/** Records of a replay are written in one go: a longer pause before a prompt ends it. */
const PAUSE_MS = 1_000

/** Places the records of a rollout in its thread: what was replayed, rolled back, or changed files. */
interface Thread {
  place(record: CodexRecord): Generator<EventDraft | Amendment>
}

export function createThread(facts: SessionFacts): Thread {
  const turns: string[] = []
  const replay = createReplay()
  const usage = createRunningUsage(facts)
  const patches = new Map<string, string>()
  let turn = 0

  function rollBack(payload: JsonRecord): Amendment[] {
    const stated = Number(payload.num_turns ?? payload.numTurns ?? 1)
    const count = Number.isFinite(stated) ? Math.max(0, Math.floor(stated)) : 1
    const taken = turns.splice(Math.max(0, turns.length - count))
    return taken.map((key) => ({ amend: key, set: { fold: 'rewound' } }))
  }

  /** Derives the change of a patch that has no `patch_apply_end`. */
  function* changesOf(draft: EventDraft, { source }: CodexRecord): Generator<EventDraft> {
    const { callId } = draft
    if (typeof callId !== 'string') return
    const patch = patchIn(draft)
    if (patch !== undefined && patches.size < OPEN_PATCHES) patches.set(callId, patch)
    if (source?.payload.type === 'patch_apply_end') patches.delete(callId)
    if (draft.kind !== 'tool_result') return
    const applied = patches.get(callId)
    patches.delete(callId)
    const change = applied === undefined ? undefined : draftAppliedPatch(applied, draft)
    if (change !== undefined) yield change
  }

  return {
    *place(record) {
      const { source, line } = record
      const isReplayed = replay.includes(record)
      const payload = source?.payload ?? {}
      if (source?.type === 'turn_context' && typeof payload.model === 'string') {
        facts.model = payload.model
      }
      if (source?.type === 'event_msg') {
        if (payload.type === 'token_count' || 'usage' in payload) usage.report(payload, isReplayed)
        if (payload.type === 'thread_name_updated' && !isReplayed) {
          facts.title = payload.thread_name ?? facts.title
        }
      }
      const isRollback = source?.type === 'event_msg' && payload.type === 'thread_rolled_back'
      if (isRollback) yield* rollBack(payload)
      for (const draft of record.drafts) {
        if (draft.kind === 'message' && draft.role !== 'assistant') {
          turn += 1
          turns.push(`turn ${turn}`)
          if (turns.length > OPEN_TURNS) turns.shift()
        }
        const placed = {
          line,
          key: isRollback ? undefined : `turn ${turn}`,
          ...(isReplayed ? { fold: draft.fold ?? ('replayed' as const) } : {}),
        }
        const time = source?.timestamp ?? draft.time
        yield { ...draft, ...placed, time }
        for (const change of changesOf(draft, record)) yield { ...change, ...placed, time }
      }
    },
  }
}

/** Tells the history that a fork replays from the fork's own records. */
interface Replay {
  includes(record: CodexRecord): boolean
}

/**
 * A fork starts with its own header, followed by its parent's and the parent's history. Nothing marks the
 * end of the history, so it ends at a prompt: one that is newer than the fork when the history has its old
 * times, else one after a pause. Evenly timed records have no pause; there the token count with which
 * Codex closes a replay counts.
 */
function createReplay(): Replay {
  let headers = 0
  let ownId: unknown
  let forkedAt: number | undefined
  let isFork = false
  let isReplaying = false
  let hasOldTimes = false
  let hasTokenCount = false
  let prompts = 0
  let last: number | undefined
  let longestPause = 0

  function ends(record: CodexRecord, time: number | undefined): boolean {
    if (!isPrompt(record)) return false
    if (time === undefined || last === undefined) return prompts > 0 && hasTokenCount
    if (forkedAt !== undefined && time < forkedAt) return false
    if (hasOldTimes) return true
    const pause = time - last
    return (
      prompts > 0 &&
      pause >= PAUSE_MS &&
      (hasTokenCount || pause >= 3 * Math.max(longestPause, PAUSE_MS))
    )
  }

  return {
    includes(record) {
      const { source } = record
      const time = parseTime(source?.timestamp)?.getTime()
      if (source?.type === 'session_meta') {
        headers += 1
        if (headers === 1) {
          ownId = source.payload.id
          forkedAt = time
          isFork = typeof source.payload.forked_from_id === 'string'
        } else if (headers === 2 && source.payload.id !== ownId) isReplaying = true
      }
      // Some forks replay without their parent's header.
      if (isFork && headers === 1 && prompts === 0 && isBefore(time, forkedAt)) isReplaying = true
      if (!isReplaying) return false
      if (ends(record, time)) {
        isReplaying = false
        return false
      }
      if (isPrompt(record)) prompts += 1
      if (source?.payload.type === 'token_count') hasTokenCount = true
      if (time !== undefined) {
        if (forkedAt !== undefined && time < forkedAt) hasOldTimes = true
        if (last !== undefined) longestPause = Math.max(longestPause, time - last)
        last = time
      }
      return true
    },
  }
}

function isBefore(time: number | undefined, other: number | undefined): boolean {
  return time !== undefined && other !== undefined && time < other
}

/** The user's own words, in either copy. */
function isPrompt({ source, drafts }: CodexRecord): boolean {
  const isUser = source?.payload.role === 'user' || source?.payload.type === 'user_message'
  const draft = drafts.at(-1)
  return isUser && (draft?.kind === 'message' || draft?.data?.repeats === 'message')
}

/** Keeps the session's usage from reports of running totals. */
function createRunningUsage(facts: SessionFacts): {
  report(payload: JsonRecord, isReplayed: boolean): void
} {
  /** Usage of a replayed history, which its own session counts. */
  let replayed: TokenUsage | undefined
  /** Usage before totals started over, as after a resume. */
  let carried: TokenUsage | undefined
  let total: TokenUsage | undefined
  return {
    report(payload, isReplayed) {
      const info = isRecord(payload.info) ? payload.info : {}
      const reported = readUsage(info.total_token_usage)
      if (reported === undefined) {
        const turn = readUsage(payload.usage)
        if (turn !== undefined && !isReplayed) carried = plus(carried, turn)
      } else {
        if (total !== undefined && reported.outputTokens < total.outputTokens) {
          carried = plus(carried, total)
          if (replayed !== undefined) carried = plus(carried, replayed, -1)
          replayed = undefined
        }
        total = reported
        if (isReplayed) replayed = reported
      }
      const own = total === undefined ? carried : plus(carried, total)
      if (own === undefined) return
      const counted = replayed === undefined ? own : plus(own, replayed, -1)
      facts.usage = counted
    },
  }
}
