import { createHash, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Pool } from 'pg'
import { SessionDbError } from '../errors.ts'
import type { JsonObject } from '../schema/fields.ts'
import type { Principal } from '../schema/principal.ts'
import { createPostgresContentStore } from '../server/content/postgres-content-store.ts'
import type { SessionStore } from '../server/store/index.ts'
import { defaultThreadTitle, type LegacyMode } from './legacy-records.ts'
import {
  type LegacyMessageRecord,
  type LegacyThreadRecord,
  type LegacyUploadRecord,
  MESSAGE_COLUMNS,
  THREAD_COLUMNS,
  UPLOAD_COLUMNS,
} from './legacy-store-records.ts'
import { sessionTitle } from './session-title.ts'

const DELETES_PER_BATCH = 500

export interface LegacyStoresOptions {
  readonly store: SessionStore
  /** The database of the store, for reading. */
  readonly database: Pool
  /** Who is asking: make the stores anew for every request. */
  readonly principal: Principal
}

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

/** The functions of the old stores. */
export type LegacyStores = ReturnType<typeof createLegacyStores>

/**
 * The functions that the old app's stores had, over the database: for an app that changes its server
 * first and its components later. Writes go through `store.write` under its policy; reads see what
 * the principal owns or what is shared with the tenant.
 *
 * @example
 * const { listChatThreads, appendChatMessage } = createLegacyStores({ store, database, principal })
 */
export function createLegacyStores({ store, database, principal }: LegacyStoresOptions) {
  const { tenantId, userId } = principal
  const write = (...mutations: JsonObject[]) =>
    store.write(principal, { id: randomUUID(), mutations })
  const visible = `s.tenant_id = $1 AND (s.owner_id = $2 OR s.visibility = 'tenant')`

  const threads = async (where: string, ...values: unknown[]) =>
    (
      await database.query<LegacyThreadRecord>(
        `SELECT ${THREAD_COLUMNS} FROM chat_threads t
         JOIN sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
         WHERE ${visible} AND ${where}`,
        [tenantId, userId, ...values],
      )
    ).rows
  const messages = async (where: string, ...values: unknown[]) =>
    (
      await database.query<LegacyMessageRecord>(
        `SELECT ${MESSAGE_COLUMNS} FROM chat_messages m
         JOIN chat_threads t ON t.tenant_id = m.tenant_id AND t.id = m.thread_id
         JOIN sessions s ON s.tenant_id = m.tenant_id AND s.id = m.session_id
         WHERE ${visible} AND ${where} ORDER BY m.position`,
        [tenantId, userId, ...values],
      )
    ).rows
  const uploads = async (where: string, ...values: unknown[]) =>
    (
      await database.query<LegacyUploadRecord>(
        `SELECT ${UPLOAD_COLUMNS} FROM sessions s
         WHERE ${visible} AND s.content_sha256 IS NOT NULL AND ${where} ORDER BY s.created_at, s.id`,
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
      `SELECT FROM sessions s WHERE ${visible} AND s.id = $3`,
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

  async function findUpload(where: string, value: string) {
    return (await uploads(where, value))[0] ?? null
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

    /** Stores an upload and derives its timeline. */
    async saveSessionUpload(originalName: string, content: string) {
      const id = randomUUID()
      await store.createSession(principal, { id, title: originalName, originalName })
      await store.uploadContent(principal, id, once(new TextEncoder().encode(content)))
      return findUpload('s.id = $3', id)
    },
    listSessionUploadRecords: () => uploads('true'),
    findSessionUploadRecordById: (id: string) => findUpload('s.id = $3', id),
    findSessionUploadRecordByOriginalName: (name: string) =>
      findUpload('s.original_name = $3', name),
    async getSessionUploadContent(id: string): Promise<string | null> {
      if ((await findUpload('s.id = $3', id)) === null) return null
      const { body } = await store.openContent(principal, id)
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      return Buffer.concat(chunks).toString('utf8')
    },
    /**
     * Reads an upload's source file again. Where it has changed, the new content takes the place of
     * the old one and the timeline is made anew in the background (`store.startWorker`). Chats stay.
     */
    async refreshSessionUploadFromSource(id: string) {
      const found = await findUpload('s.id = $3', id)
      if (found === null) return null
      if (found.sourcePath === null) {
        throw new SessionDbError('invalid', 'This upload has no source file to read again.')
      }
      const content = await readFile(found.sourcePath)
      const sha256 = createHash('sha256').update(content).digest('hex')
      const { rowCount } = await database.query(
        `SELECT FROM sessions WHERE tenant_id = $1 AND id = $2 AND owner_id = $3
           AND content_sha256 <> $4`,
        [tenantId, id, userId, sha256],
      )
      if (rowCount === 0) return found
      await createPostgresContentStore({ database }).put(
        { tenantId, sha256 },
        { bytes: content.length, read: () => once(content) },
      )
      await database.query(
        `UPDATE sessions SET content_ref = 'pg:' || $4::text, content_sha256 = $4, content_bytes = $5
         WHERE tenant_id = $1 AND id = $2 AND owner_id = $3`,
        [tenantId, id, userId, sha256, content.length],
      )
      await store.deriveAgain(principal, id)
      return findUpload('s.id = $3', id)
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
