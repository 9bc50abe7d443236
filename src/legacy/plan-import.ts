import type { DatabaseState } from './database-state.ts'
import type { RecordIssue } from './import-report.ts'
import type { LegacyMessage, LegacyRecords } from './legacy-records.ts'
import { issueOf, placeMessages } from './place-messages.ts'
import { type NewThread, placeThreads } from './place-threads.ts'
import { recoverThreads } from './recover-threads.ts'
import { sessionTitle } from './session-title.ts'

/** A session to make because threads belong to it and no record of it exists. */
export interface NewSession {
  readonly id: string
  readonly title: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A message to insert, with its place. */
export interface NewMessage {
  readonly message: LegacyMessage
  readonly threadId: string
  readonly sessionId: string
  readonly position: number
}

/** A thread as the files want it to be in the end. */
export interface ExpectedThread {
  readonly id: string
  readonly sessionId: string
  readonly title: string
  readonly declaredCount: number | null
  /** In order; what means the same message is there once. */
  readonly messages: readonly LegacyMessage[]
}

/** Everything an import is going to do. */
export interface ImportPlan {
  readonly sessions: readonly NewSession[]
  readonly threads: readonly NewThread[]
  readonly messages: readonly NewMessage[]
  readonly expected: readonly ExpectedThread[]
  readonly notes: readonly RecordIssue[]
}

/** Decides, without touching anything, what is missing in the database and where it goes. */
export function planImport(records: LegacyRecords, state: DatabaseState): ImportPlan {
  const notes: RecordIssue[] = []
  const note = (issue: RecordIssue) => void notes.push(issue)
  const placed = placeThreads(records.threads, state, note)
  const byThread = placeMessages(records.messages, placed, state, note)
  const recovered = recoverThreads(byThread, placed, state, note)
  const threads = [...placed.toInsert, ...recovered]
  const sessionOf = new Map([
    ...placed.sessionOf,
    ...recovered.map(({ id, sessionId }) => [id, sessionId] as const),
    ...state.threads.map(({ id, sessionId }) => [id, sessionId] as const),
  ])
  for (const [threadId, messages] of byThread) noteMoves(messages, sessionOf.get(threadId), note)
  return {
    sessions: newSessions(threads, state),
    threads,
    messages: newMessages(byThread, sessionOf, state),
    expected: expectedThreads(records, recovered, byThread, sessionOf, state),
    notes,
  }
}

function noteMoves(
  messages: readonly LegacyMessage[],
  sessionId: string | undefined,
  note: (issue: RecordIssue) => void,
): void {
  for (const message of messages) {
    if (message.sessionId === sessionId) continue
    note(issueOf(message, `names session ${message.sessionId}, but its thread belongs to another`))
  }
}

function newSessions(threads: readonly NewThread[], state: DatabaseState): NewSession[] {
  const sessions = new Map<string, NewSession>()
  for (const { sessionId: id, createdAt, updatedAt } of threads) {
    if (state.sessionIds.has(id)) continue
    const known = sessions.get(id)
    sessions.set(id, {
      id,
      title: sessionTitle(id),
      createdAt: known && known.createdAt < createdAt ? known.createdAt : createdAt,
      updatedAt: known && known.updatedAt > updatedAt ? known.updatedAt : updatedAt,
    })
  }
  return [...sessions.values()]
}

/** New messages come after whatever a thread holds already. */
function newMessages(
  byThread: ReadonlyMap<string, readonly LegacyMessage[]>,
  sessionOf: ReadonlyMap<string, string>,
  state: DatabaseState,
): NewMessage[] {
  const stored = new Set(state.messages.map(({ id }) => id))
  const lastPositions = new Map(state.threads.map(({ id, lastPosition }) => [id, lastPosition]))
  return [...byThread].flatMap(([threadId, messages]) => {
    const lastPosition = lastPositions.get(threadId) ?? 0
    return messages
      .filter(({ id }) => !stored.has(id))
      .map((message, index) => ({
        message,
        threadId,
        sessionId: sessionOf.get(threadId) ?? message.sessionId,
        position: lastPosition + 1 + index,
      }))
  })
}

function expectedThreads(
  { threads }: LegacyRecords,
  recovered: readonly NewThread[],
  byThread: ReadonlyMap<string, readonly LegacyMessage[]>,
  sessionOf: ReadonlyMap<string, string>,
  state: DatabaseState,
): ExpectedThread[] {
  const described = new Map<string, ExpectedThread>()
  for (const { id, sessionId } of state.threads) {
    if (byThread.has(id)) {
      described.set(id, { id, sessionId, title: id, declaredCount: null, messages: [] })
    }
  }
  for (const { id, sessionId, title } of recovered) {
    described.set(id, { id, sessionId, title, declaredCount: null, messages: [] })
  }
  for (const { id, title, declaredCount } of threads) {
    const sessionId = sessionOf.get(id) ?? ''
    described.set(id, { id, sessionId, title, declaredCount, messages: [] })
  }
  return [...described.values()].map((thread) => ({
    ...thread,
    messages: byThread.get(thread.id) ?? [],
  }))
}
