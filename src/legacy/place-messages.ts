import { createHash } from 'node:crypto'
import type { DatabaseState } from './database-state.ts'
import type { RecordIssue } from './import-report.ts'
import type { LegacyMessage, LegacyMode } from './legacy-records.ts'
import { type PlacedThreads, pairKey } from './place-threads.ts'

/**
 * Puts every message into its thread: the one it names, or the active one of its session and mode,
 * or one to be made whose id is the same in every run. Within a thread messages are ordered by time,
 * then as they stand in the file; a client id seen before in the thread means the same message.
 *
 * @returns messages by thread id.
 */
export function placeMessages(
  messages: readonly LegacyMessage[],
  threads: PlacedThreads,
  state: DatabaseState,
  note: (issue: RecordIssue) => void,
): Map<string, LegacyMessage[]> {
  const storedIn = new Map(state.messages.map(({ id, threadId }) => [id, threadId]))
  const sent = new Map(state.messages.map((stored) => [sentKey(stored), stored.id]))
  const byThread = new Map<string, LegacyMessage[]>()
  for (const message of messages.toSorted((a, b) => Number(a.createdAt) - Number(b.createdAt))) {
    const threadId = threadOf(message, threads, storedIn)
    const key = sentKey({ threadId, clientMessageId: message.clientMessageId })
    const first = message.clientMessageId === null ? message.id : (sent.get(key) ?? message.id)
    sent.set(key, first)
    const placed = byThread.get(threadId) ?? []
    byThread.set(threadId, placed)
    if (first === message.id) placed.push(message)
    else note(issueOf(message, `is the same message as ${first}: its clientMessageId is the same`))
  }
  return byThread
}

function sentKey(sent: {
  readonly threadId: string
  readonly clientMessageId: string | null
}): string {
  return JSON.stringify([sent.threadId, sent.clientMessageId])
}

function threadOf(
  message: LegacyMessage,
  threads: PlacedThreads,
  storedIn: ReadonlyMap<string, string>,
): string {
  const { id, threadId, sessionId } = message
  if (threadId !== null) return threadId
  const mode = modeOf(message)
  const stored = storedIn.get(id)
  if (stored !== undefined && threads.sessionOf.has(stored)) return stored
  return threads.activeIn(sessionId, mode) ?? madeThreadId(sessionId, mode)
}

/** The id of the thread that is made for messages from before there were threads. */
function madeThreadId(sessionId: string, mode: LegacyMode): string {
  const hash = createHash('sha256').update(pairKey(sessionId, mode)).digest('hex')
  return `thread_${hash.slice(0, 32)}`
}

/** The mode of a message that does not say: only tool events may leave it out. */
export function modeOf({ mode }: LegacyMessage): LegacyMode {
  return mode ?? 'session'
}

/** Says something of a message's record. */
export function issueOf({ file, index, id }: LegacyMessage, reason: string): RecordIssue {
  return { file, index, id, reason }
}
