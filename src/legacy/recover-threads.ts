import type { DatabaseState } from './database-state.ts'
import type { RecordIssue } from './import-report.ts'
import { defaultThreadTitle, type LegacyMessage } from './legacy-records.ts'
import { issueOf, modeOf } from './place-messages.ts'
import { type NewThread, type PlacedThreads, pairKey } from './place-threads.ts'

/**
 * Makes the threads that messages belong to and no record describes. One for messages from before
 * there were threads is active, as the old app would have made it; one that messages name is not.
 */
export function recoverThreads(
  byThread: ReadonlyMap<string, readonly LegacyMessage[]>,
  threads: PlacedThreads,
  state: DatabaseState,
  note: (issue: RecordIssue) => void,
): NewThread[] {
  const numbers = new Map<string, number>()
  for (const { sessionId, mode } of [...threads.toInsert, ...state.threads]) {
    const key = pairKey(sessionId, mode)
    numbers.set(key, (numbers.get(key) ?? 0) + 1)
  }
  const recovered: NewThread[] = []
  for (const [id, messages] of byThread) {
    const first = messages[0]
    if (first === undefined || threads.sessionOf.has(id)) continue
    const mode = modeOf(first)
    const key = pairKey(first.sessionId, mode)
    const number = (numbers.get(key) ?? 0) + 1
    numbers.set(key, number)
    for (const message of messages) note(issueOf(message, reasonFor(message, id)))
    recovered.push({
      id,
      sessionId: first.sessionId,
      mode,
      title: defaultThreadTitle(mode, number),
      status: first.threadId === null ? 'active' : 'archived',
      createdAt: first.createdAt,
      updatedAt: messages.at(-1)?.updatedAt ?? first.updatedAt,
      metadata: { recovered: true },
    })
  }
  return recovered
}

function reasonFor({ threadId }: LegacyMessage, id: string): string {
  return threadId === null
    ? `names no thread and there is no active one: thread ${id} was made`
    : `names thread ${id}, of which there is no record: an archived one was made`
}
