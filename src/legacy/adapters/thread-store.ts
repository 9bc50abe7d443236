import { createHash, randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import { defaultThreadTitle, type LegacyMode, sessionTitle } from '../import/records.ts'
import {
  isoTime,
  type LegacyContext,
  type LegacyThreadRecord,
  type RecordsOf,
  VISIBLE,
  withoutNulls,
} from './store-records.ts'

const MAX_ATTEMPTS = 20
const MAX_CONFLICTS = 5
const DELETES_PER_BATCH = 500

/** Threads without their tool events, which the old app did not count as messages. */
const THREADS = `
  SELECT t.id, t.session_id AS "sessionId", t.mode, t.title, t.status,
    t.message_count - tools.count AS "messageCount",
    CASE WHEN tools.count = 0 THEN t.last_message_preview ELSE left(last.content, 280) END
      AS "lastMessagePreview",
    CASE WHEN tools.count = 0 THEN ${isoTime('t.last_message_at')} ELSE ${isoTime('last.created_at')}
      END AS "lastMessageAt",
    ${isoTime('t.created_at')} AS "createdAt", ${isoTime('t.updated_at')} AS "updatedAt"
  FROM chat_threads t
  JOIN sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS count FROM chat_messages m
    WHERE m.tenant_id = t.tenant_id AND m.thread_id = t.id AND m.role = 'tool'
  ) tools
  LEFT JOIN LATERAL (
    SELECT m.content, m.created_at FROM chat_messages m
    WHERE m.tenant_id = t.tenant_id AND m.thread_id = t.id AND m.role <> 'tool'
    ORDER BY m.position DESC LIMIT 1
  ) last ON tools.count > 0
  WHERE ${VISIBLE}`

/** The old store of threads. */
export function createThreadStore<R>(context: LegacyContext) {
  type Thread = RecordsOf<R>['thread']
  const { database, principal, ids, write } = context
  const { tenantId, userId } = principal

  async function select(where: string, ...values: unknown[]): Promise<Thread[]> {
    const { rows } = await database.query<LegacyThreadRecord>(`${THREADS} AND ${where}`, [
      tenantId,
      userId,
      ...values,
    ])
    return rows.map((row) => {
      const sessionId = ids.original(row.sessionId)
      return withoutNulls({ ...row, sessionId }) as Thread
    })
  }

  async function listChatThreads(sessionId: string, mode?: LegacyMode): Promise<Thread[]> {
    return select(
      't.session_id = $3 AND ($4::text IS NULL OR t.mode = $4) ORDER BY t.updated_at DESC, t.created_at DESC, t.id',
      ids.stored(sessionId),
      mode ?? null,
    )
  }

  async function getChatThreadById(id: string): Promise<Thread | null> {
    return (await select('t.id = $3', id))[0] ?? null
  }

  async function requireThread(id: string): Promise<Thread> {
    const found = await getChatThreadById(id)
    if (found === null) throw new SessionDbError('not_found', `There is no chat thread ${id}.`)
    return found
  }

  /** Creates the session of a chat if it is missing: the old app had chats without one. */
  async function ensureSession(sessionId: string): Promise<void> {
    const id = ids.stored(sessionId)
    const isVisible = async () => {
      const sql = `SELECT FROM sessions s WHERE ${VISIBLE} AND s.id = $3`
      return (await database.query(sql, [tenantId, userId, id])).rowCount !== 0
    }
    if (await isVisible()) return
    const value = {
      ...{ id, title: sessionTitle(sessionId), metadata: { stub: true }, source: 'external' },
      visibility: ids.isShared(sessionId) ? 'tenant' : 'private',
    }
    // After a conflict another request has created it, or the id is another user's.
    await orConflict(() => write({ collection: 'sessions', type: 'insert', value }))
    if (await isVisible()) return
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
      const { rows } = await database.query<{ id: string; isActive: boolean }>(
        `SELECT t.id, t.status = 'active' AS "isActive" FROM chat_threads t
         JOIN sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
         WHERE ${VISIBLE} AND t.session_id = $3 AND t.mode = $4`,
        [tenantId, userId, stored, mode],
      )
      const active = rows.find(({ isActive }) => isActive)
      if (active !== undefined) return active.id
      await ensureSession(sessionId)
      const taken = new Set(rows.map(({ id }) => id))
      let number = rows.length + 1
      // After deletions an older thread can have this number.
      while (taken.has(threadId(stored, mode, number))) number += 1
      const isTaken = attempt >= MAX_CONFLICTS
      const id = isTaken ? `thread_${randomUUID()}` : threadId(stored, mode, number)
      await orConflict(() => insertThread(id, sessionId, mode, rows.length + 1))
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
