import { randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import { defaultThreadTitle, type LegacyMode, sessionTitle } from '../import/records.ts'
import {
  type LegacyMessageRecord,
  type LegacyStoresOptions,
  type LegacyThreadRecord,
  MESSAGE_COLUMNS,
  THREAD_COLUMNS,
  VISIBLE,
} from './store-records.ts'

const DELETES_PER_BATCH = 500

/** What may be given with a new message. */
export interface LegacyMessageInput {
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
  readonly clientMessageId?: string
  readonly misalignmentId?: string
  readonly evidence?: readonly JsonObject[]
  readonly contextEvents?: readonly JsonObject[]
  /** The active thread of the session and mode unless given. */
  readonly threadId?: string
}

/** The functions of the old stores of chat threads and messages. */
export function createLegacyChatStore({ store, database, principal }: LegacyStoresOptions) {
  const { tenantId, userId } = principal
  const write = (...mutations: JsonObject[]) =>
    store.write(principal, { id: randomUUID(), mutations })

  const threads = async (where: string, ...values: unknown[]) =>
    (
      await database.query<LegacyThreadRecord>(
        `SELECT ${THREAD_COLUMNS} FROM chat_threads t
         JOIN sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
         WHERE ${VISIBLE} AND ${where}`,
        [tenantId, userId, ...values],
      )
    ).rows
  const messages = async (where: string, ...values: unknown[]) =>
    (
      await database.query<LegacyMessageRecord>(
        `SELECT ${MESSAGE_COLUMNS} FROM chat_messages m
         JOIN chat_threads t ON t.tenant_id = m.tenant_id AND t.id = m.thread_id
         JOIN sessions s ON s.tenant_id = m.tenant_id AND s.id = m.session_id
         WHERE ${VISIBLE} AND ${where} ORDER BY m.position`,
        [tenantId, userId, ...values],
      )
    ).rows
  async function listChatThreads(sessionId: string, mode?: LegacyMode) {
    return threads(
      't.session_id = $3 AND ($4::text IS NULL OR t.mode = $4) ORDER BY t.updated_at DESC, t.id',
      sessionId,
      mode ?? null,
    )
  }

  async function getChatThreadById(id: string) {
    return (await threads('t.id = $3', id))[0] ?? null
  }

  async function thread(id: string) {
    const found = await getChatThreadById(id)
    if (found === null) throw new SessionDbError('not_found', `There is no chat thread ${id}.`)
    return found
  }

  /** A chat needs a session row to belong to; the old app had chats without one. */
  async function ensureSession(sessionId: string): Promise<void> {
    const { rowCount } = await database.query(
      `SELECT FROM sessions s WHERE ${VISIBLE} AND s.id = $3`,
      [tenantId, userId, sessionId],
    )
    if (rowCount !== 0) return
    const value = { id: sessionId, title: sessionTitle(sessionId), metadata: { stub: true } }
    try {
      await write({
        collection: 'sessions',
        type: 'insert',
        value: { ...value, source: 'external' },
      })
    } catch (error) {
      // Made at the same moment by another request of the same user.
      if (!(error instanceof SessionDbError && error.code === 'conflict')) throw error
    }
  }

  async function startNewChatThread(sessionId: string, mode: LegacyMode) {
    await ensureSession(sessionId)
    const number = (await listChatThreads(sessionId, mode)).length + 1
    const id = `thread_${randomUUID()}`
    const title = defaultThreadTitle(mode, number)
    await write({
      collection: 'chatThreads',
      type: 'insert',
      value: { id, sessionId, mode, title, status: 'active' },
    })
    return thread(id)
  }

  async function getActiveChatThread(sessionId: string, mode: LegacyMode) {
    const active = `t.session_id = $3 AND t.mode = $4 AND t.status = 'active'`
    const [found] = await threads(active, sessionId, mode)
    return found ?? startNewChatThread(sessionId, mode)
  }

  async function updateThread(id: string, changes: JsonObject) {
    await write({ collection: 'chatThreads', type: 'update', id, changes })
    return thread(id)
  }

  async function removeChatThreadRecord(id: string) {
    const found = await getChatThreadById(id)
    if (found !== null) await write({ collection: 'chatThreads', type: 'delete', id })
    return found
  }

  async function deleteRows(collection: 'chatThreads' | 'chatMessages', ids: readonly string[]) {
    for (let from = 0; from < ids.length; from += DELETES_PER_BATCH) {
      const some = ids.slice(from, from + DELETES_PER_BATCH)
      await write(...some.map((id) => ({ collection, type: 'delete', id })))
    }
  }

  async function listChatMessagesByThread(threadId: string) {
    return messages('m.thread_id = $3', threadId)
  }

  async function message(id: string) {
    const [found] = await messages('m.id = $3', id)
    if (!found) throw new SessionDbError('not_found', `There is no chat message ${id}.`)
    return found
  }

  return {
    listChatThreads,
    getChatThreadById,
    getActiveChatThread,
    startNewChatThread,
    /** Makes a thread the active one; the one before it is archived. */
    setActiveChatThread: (id: string) => updateThread(id, { status: 'active' }),
    renameChatThread: async (id: string, title: string) =>
      title.trim() === '' ? thread(id) : updateThread(id, { title: title.trim() }),
    archiveChatThread: async (id: string) =>
      (await getChatThreadById(id)) === null ? null : updateThread(id, { status: 'archived' }),
    /** Deletes a thread, with its messages. */
    removeChatThreadRecord,
    clearThreadsForSession: async (sessionId: string) =>
      deleteRows(
        'chatThreads',
        (await listChatThreads(sessionId)).map(({ id }) => id),
      ),
    /** Starts over: the thread so far is archived. */
    resetChatThread: async (sessionId: string, mode: LegacyMode) => {
      await startNewChatThread(sessionId, mode)
    },

    listChatMessages: async (sessionId: string, mode: LegacyMode, threadId?: string) =>
      listChatMessagesByThread(threadId ?? (await getActiveChatThread(sessionId, mode)).id),
    listChatMessagesByThread,
    /** A client id that the thread has already gives the message that is there. */
    async appendChatMessage(input: LegacyMessageInput) {
      const threadId = input.threadId ?? (await getActiveChatThread(input.sessionId, input.mode)).id
      const { role, content, clientMessageId, misalignmentId, evidence, contextEvents } = input
      const metadata = JSON.parse(JSON.stringify({ misalignmentId, evidence, contextEvents }))
      const id = `chat_${randomUUID()}`
      const value = {
        id,
        threadId,
        role,
        content,
        clientMessageId: clientMessageId ?? null,
        metadata,
      }
      const result = await write({ collection: 'chatMessages', type: 'insert', value })
      return message(result.mutations[0]?.id ?? id)
    },
    async updateChatMessage(id: string, apply: (draft: LegacyMessageRecord) => void) {
      const draft = structuredClone(await message(id))
      apply(draft)
      const { content, misalignmentId, evidence, contextEvents } = draft
      const { rows } = await database.query<{ metadata: JsonObject }>(
        'SELECT metadata FROM chat_messages WHERE tenant_id = $1 AND id = $2',
        [tenantId, id],
      )
      const metadata = JSON.parse(
        JSON.stringify({ ...rows[0]?.metadata, misalignmentId, evidence, contextEvents }),
      )
      await write({
        collection: 'chatMessages',
        type: 'update',
        id,
        changes: { content, metadata },
      })
      return message(id)
    },
    deleteMessagesForThread: async (threadId: string) =>
      deleteRows(
        'chatMessages',
        (await listChatMessagesByThread(threadId)).map(({ id }) => id),
      ),
  }
}
