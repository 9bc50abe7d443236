import type { DatabaseState } from './database-state.ts'
import type { RecordIssue } from './import-report.ts'
import type { LegacyMode, LegacyThread } from './legacy-records.ts'

/** A thread to insert. */
export type NewThread = Omit<LegacyThread, 'index' | 'declaredCount'>

/** The threads after the import: what will be inserted, and which is active where. */
export interface PlacedThreads {
  readonly toInsert: readonly NewThread[]
  /** Session of every thread, in the files or in the database. */
  readonly sessionOf: ReadonlyMap<string, string>
  /** The active thread of a session and mode. */
  activeIn(sessionId: string, mode: LegacyMode): string | undefined
}

/**
 * Decides which threads are inserted and which of them is active. Of several active ones of the same
 * session and mode the newest stays so; one that is active in the database always does.
 */
export function placeThreads(
  threads: readonly LegacyThread[],
  state: DatabaseState,
  note: (issue: RecordIssue) => void,
): PlacedThreads {
  const existing = new Map(state.threads.map((thread) => [thread.id, thread]))
  const active = newestActive(threads)
  for (const thread of state.threads) {
    if (thread.status === 'active') active.set(pairKey(thread.sessionId, thread.mode), thread.id)
  }
  const toInsert: NewThread[] = []
  for (const { index, declaredCount: _, ...thread } of threads) {
    const issue = { file: 'chat-threads.json', index, id: thread.id } as const
    const there = existing.get(thread.id)
    if (there !== undefined && there.sessionId !== thread.sessionId) {
      note({ ...issue, reason: 'belongs to another session in the database, left there' })
    }
    if (there !== undefined) continue
    const stays = active.get(pairKey(thread.sessionId, thread.mode)) === thread.id
    if (thread.status === 'active' && !stays) {
      note({ ...issue, reason: 'archived: another thread of its session and mode is active' })
    }
    toInsert.push({
      ...thread,
      status: thread.status === 'active' && stays ? 'active' : 'archived',
    })
  }
  const sessionOf = new Map(
    [...threads, ...state.threads].map(({ id, sessionId }) => [id, sessionId]),
  )
  return {
    toInsert,
    sessionOf,
    activeIn: (sessionId, mode) => active.get(pairKey(sessionId, mode)),
  }
}

function newestActive(threads: readonly LegacyThread[]): Map<string, string> {
  const newest = new Map<string, LegacyThread>()
  for (const thread of threads) {
    if (thread.status !== 'active') continue
    const key = pairKey(thread.sessionId, thread.mode)
    const known = newest.get(key)
    if (known === undefined || thread.createdAt >= known.createdAt) newest.set(key, thread)
  }
  return new Map([...newest].map(([key, { id }]) => [key, id]))
}

/** A key for a session and mode. */
export function pairKey(sessionId: string, mode: LegacyMode): string {
  return JSON.stringify([sessionId, mode])
}
