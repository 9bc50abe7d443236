import { createHash, randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import { defaultThreadTitle, type LegacyMode, sessionTitle } from '../import/records.ts'
import type { LegacyContext } from './context.ts'
import type { ThreadFilter } from './legacy-rows.ts'
import { type LegacyThreadRecord, type RecordsOf, withoutNulls } from './records.ts'

const MAX_ATTEMPTS = 20
const MAX_CONFLICTS = 5
const DELETES_PER_BATCH = 500

/** The old store of threads. */
export function createThreadStore<R>(context: LegacyContext) {
  type Thread = RecordsOf<R>['thread']
  const { rows, ids, write } = context

  async function select(filter: ThreadFilter): Promise<Thread[]> {
    const found = await rows.threads(filter)
    return found.map(
      (row) => withoutNulls({ ...row, sessionId: ids.original(row.sessionId) }) as Thread,
    )
  }

  async function listChatThreads(sessionId: string, mode?: LegacyMode): Promise<Thread[]> {
    return select({ sessionId: ids.stored(sessionId), mode })
  }

  async function getChatThreadById(id: string): Promise<Thread | null> {
    return (await select({ id }))[0] ?? null
  }

  async function requireThread(id: string): Promise<Thread> {
    const found = await getChatThreadById(id)
    if (found === null) throw new SessionDbError('not_found', `There is no chat thread ${id}.`)
    return found
  }

  /** Creates the session of a chat if it is missing: the old app had chats without one. */
  async function ensureSession(sessionId: string): Promise<void> {
    const id = ids.stored(sessionId)
    if (await rows.isVisible(id)) return
    const value = {
      ...{ id, title: sessionTitle(sessionId), metadata: { stub: true }, source: 'external' },
      visibility: ids.isShared(sessionId) ? 'tenant' : 'private',
    }
    // After a conflict another request has created it, or the id is another user's.
    await orConflict(() => write({ collection: 'sessions', type: 'insert', value }))
    if (await rows.isVisible(id)) return
    throw new SessionDbError(
      'forbidden',
      `The session ${id} belongs to another user. For an id in the app's code, set fixedSessions.`,
    )
  }

  async function insertThread(
    id: string,
    sessionId: string,
    mode: LegacyMode,
    number: number,
  ): Promise<void> {
    const title = defaultThreadTitle(mode, number)
    const value = { id, sessionId: ids.stored(sessionId), mode, title, status: 'active' }
    await write({ collection: 'chatThreads', type: 'insert', value })
  }

  async function startNewChatThread(sessionId: string, mode: LegacyMode): Promise<Thread> {
    await ensureSession(sessionId)
    const number = (await listChatThreads(sessionId, mode)).length + 1
    const id = `thread_${randomUUID()}`
    await insertThread(id, sessionId, mode, number)
    return requireThread(id)
  }

  /**
   * Returns the id of the active thread, or creates one. The id of a new one follows from the threads
   * that exist: of concurrent requests one creates it, and the others find it after a conflict. If they
   * don't, the id is taken in another session, and the thread gets a random one.
   */
  async function activeThreadId(sessionId: string, mode: LegacyMode): Promise<string> {
    const stored = ids.stored(sessionId)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      // One query for all threads: between two, another request could create one.
      const threads = await rows.threadStates({ sessionId: stored, mode })
      const active = threads.find(({ isActive }) => isActive)
      if (active !== undefined) return active.id
      await ensureSession(sessionId)
      const taken = new Set(threads.map(({ id }) => id))
      let number = threads.length + 1
      // After deletions an older thread can have this number.
      while (taken.has(threadId(stored, mode, number))) number += 1
      const isTaken = attempt >= MAX_CONFLICTS
      const id = isTaken ? `thread_${randomUUID()}` : threadId(stored, mode, number)
      await orConflict(() => insertThread(id, sessionId, mode, threads.length + 1))
    }
    throw new SessionDbError(
      'unavailable',
      `No active thread could be created in session ${sessionId}. Try again.`,
    )
  }

  async function updateThread(id: string, changes: JsonObject): Promise<Thread> {
    await write({ collection: 'chatThreads', type: 'update', id, changes })
    return requireThread(id)
  }

  async function setActiveChatThread(id: string): Promise<Thread> {
    return updateThread(id, { status: 'active' })
  }

  return {
    activeThreadId,
    listChatThreads,
    getChatThreadById,
    /** Returns the active thread, or creates one. */
    async getActiveChatThread(sessionId: string, mode: LegacyMode): Promise<Thread> {
      return requireThread(await activeThreadId(sessionId, mode))
    },
    startNewChatThread,
    /** Activates a thread and archives the previous one. */
    setActiveChatThread,
    /** Activates a thread, which must be of this session and mode. */
    async activateChatThread(sessionId: string, mode: LegacyMode, id: string): Promise<void> {
      const thread = (await requireThread(id)) as LegacyThreadRecord
      if (thread.sessionId !== sessionId || thread.mode !== mode) {
        throw new SessionDbError('invalid', 'Thread does not match session/mode')
      }
      await setActiveChatThread(id)
    },
    async renameChatThread(id: string, title: string): Promise<Thread> {
      return title.trim() === '' ? requireThread(id) : updateThread(id, { title: title.trim() })
    },
    async archiveChatThread(id: string): Promise<Thread | null> {
      if ((await getChatThreadById(id)) === null) return null
      return updateThread(id, { status: 'archived' })
    },
    /** Updates the time of change. Counts and previews are maintained by the database. */
    async touchChatThread(id: string, _updates?: object): Promise<void> {
      if ((await getChatThreadById(id)) !== null) await updateThread(id, {})
    },
    /** Deletes a thread with its messages and tool events. */
    async removeChatThreadRecord(id: string): Promise<Thread | null> {
      const found = await getChatThreadById(id)
      if (found !== null) await write({ collection: 'chatThreads', type: 'delete', id })
      return found
    },
    async clearThreadsForSession(sessionId: string): Promise<void> {
      const threads = (await listChatThreads(sessionId)) as LegacyThreadRecord[]
      await deleteRows(
        context,
        'chatThreads',
        threads.map(({ id }) => id),
      )
    },
    /** Archives the active thread and starts a new one. */
    async resetChatThread(sessionId: string, mode: LegacyMode): Promise<void> {
      await startNewChatThread(sessionId, mode)
    },
  }
}

export type ThreadStore<R> = ReturnType<typeof createThreadStore<R>>

function threadId(sessionId: string, mode: string, number: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([sessionId, mode, number]))
    .digest('hex')
  return `thread_${hash.slice(0, 32)}`
}

/** Runs a write, and ignores that the row exists. */
export async function orConflict(run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof SessionDbError && error.code === 'conflict')) throw error
  }
}

/** Deletes rows in batches. */
export async function deleteRows(
  { write }: LegacyContext,
  collection: 'chatThreads' | 'chatMessages' | 'sessions',
  ids: readonly string[],
): Promise<void> {
  for (let from = 0; from < ids.length; from += DELETES_PER_BATCH) {
    const batch = ids.slice(from, from + DELETES_PER_BATCH)
    await write(...batch.map((id) => ({ collection, type: 'delete', id })))
  }
}
