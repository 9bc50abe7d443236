import { randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { JsonObject } from '../../schema/fields.ts'
import type { LegacyMode } from '../import/records.ts'
import {
  isoTime,
  type LegacyContext,
  type LegacyMessageRecord,
  type RecordsOf,
  VISIBLE,
  withoutNulls,
} from './store-records.ts'
import { deleteRows, type ThreadStore } from './thread-store.ts'

const MAX_ATTEMPTS = 20

/** The input of `appendChatMessage`. */
export interface LegacyMessageInput {
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
  readonly clientMessageId?: string | undefined
  readonly misalignmentId?: string | undefined
  readonly evidence?: readonly object[] | undefined
  readonly contextEvents?: readonly object[] | undefined
  /** The active thread of the session and mode by default. */
  readonly threadId?: string | undefined
}

/** Messages without tool events, which have functions of their own. */
const MESSAGES = `
  SELECT m.id, m.session_id AS "sessionId", t.mode, m.thread_id AS "threadId", m.role, m.content,
    m.client_message_id AS "clientMessageId", m.metadata -> 'misalignmentId' AS "misalignmentId",
    m.metadata -> 'evidence' AS evidence, m.metadata -> 'contextEvents' AS "contextEvents",
    ${isoTime('m.created_at')} AS "createdAt", ${isoTime('m.updated_at')} AS "updatedAt",
    m.metadata, m.version
  FROM chat_messages m
  JOIN chat_threads t ON t.tenant_id = m.tenant_id AND t.id = m.thread_id
  JOIN sessions s ON s.tenant_id = m.tenant_id AND s.id = m.session_id
  WHERE ${VISIBLE} AND m.role <> 'tool'`

interface MessageRow extends LegacyMessageRecord {
  readonly metadata: JsonObject
  readonly version: number
}

/** The old store of messages. */
export function createMessageStore<R>(context: LegacyContext, threads: ThreadStore<R>) {
  type Message = RecordsOf<R>['message']
  const { database, principal, ids, write } = context

  async function select(where: string, ...values: unknown[]): Promise<MessageRow[]> {
    const { rows } = await database.query<MessageRow>(
      `${MESSAGES} AND ${where} ORDER BY m.session_id, m.thread_id, m.position`,
      [principal.tenantId, principal.userId, ...values],
    )
    return rows.map((row) => ({ ...row, sessionId: ids.original(row.sessionId) }))
  }

  const toRecord = ({ metadata: _, version: __, ...row }: MessageRow) =>
    withoutNulls(row) as Message

  async function requireRow(id: string): Promise<MessageRow> {
    const [found] = await select('m.id = $3', id)
    if (!found) throw new SessionDbError('not_found', `There is no chat message ${id}.`)
    return found
  }

  async function listChatMessagesByThread(threadId: string): Promise<Message[]> {
    return (await select('m.thread_id = $3', threadId)).map(toRecord)
  }

  async function deleteMessagesForThread(threadId: string): Promise<void> {
    const rows = await select('m.thread_id = $3', threadId)
    await deleteRows(
      context,
      'chatMessages',
      rows.map(({ id }) => id),
    )
  }

  return {
    /** The messages of a thread of this session and mode; of the active thread by default. */
    async listChatMessages(
      sessionId: string,
      mode: LegacyMode,
      threadId?: string,
    ): Promise<Message[]> {
      const thread = threadId || (await threads.activeThreadId(sessionId, mode))
      const where = 'm.session_id = $3 AND t.mode = $4 AND m.thread_id = $5'
      return (await select(where, ids.stored(sessionId), mode, thread)).map(toRecord)
    },
    listChatMessagesByThread,
    /** Appends a message. If the thread has one with this `clientMessageId`, that one is returned. */
    async appendChatMessage(input: LegacyMessageInput): Promise<Message> {
      const { role, content, clientMessageId, misalignmentId, evidence, contextEvents } = input
      const threadId = input.threadId || (await threads.activeThreadId(input.sessionId, input.mode))
      const metadata = JSON.parse(JSON.stringify({ misalignmentId, evidence, contextEvents }))
      const id = `chat_${randomUUID()}`
      const message = { id, threadId, role, content, metadata }
      const value = { ...message, clientMessageId: clientMessageId ?? null }
      const result = await write({ collection: 'chatMessages', type: 'insert', value })
      return toRecord(await requireRow(result.mutations[0]?.id ?? id))
    },
    /** Changes a message. `apply` is called again if the message was changed meanwhile. */
    async updateChatMessage(id: string, apply: (draft: Message) => void): Promise<Message> {
      for (let attempt = 1; ; attempt++) {
        const row = await requireRow(id)
        const draft = structuredClone(toRecord(row)) as LegacyMessageRecord
        apply(draft as Message)
        const { content, misalignmentId, evidence, contextEvents } = draft
        const metadata = JSON.parse(
          JSON.stringify({ ...row.metadata, misalignmentId, evidence, contextEvents }),
        )
        try {
          await write({
            ...{ collection: 'chatMessages', type: 'update', id, changes: { content, metadata } },
            expectedVersion: row.version,
          })
          return toRecord(await requireRow(id))
        } catch (error) {
          const isConflict = error instanceof SessionDbError && error.code === 'conflict'
          if (!isConflict || attempt === MAX_ATTEMPTS) throw error
        }
      }
    },
    deleteMessagesForThread,
    /** Deletes the messages of a thread. */
    async resetChatThreadMessages(threadId: string): Promise<RecordsOf<R>['thread'] | null> {
      await deleteMessagesForThread(threadId)
      return threads.getChatThreadById(threadId)
    },
    /** Deletes the user's messages, and all messages in the sessions they own. */
    async clearChatMessages(): Promise<void> {
      const rows = await select('(m.author_id = $2 OR s.owner_id = $2)')
      await deleteRows(
        context,
        'chatMessages',
        rows.map(({ id }) => id),
      )
    },
    /** Reads all messages that the user may see. The old function returned a collection. */
    async getChatMessagesCollection(): Promise<{
      readonly toArray: readonly Message[]
      get(id: string): Message | undefined
    }> {
      const rows = await select('true')
      const byId = new Map(rows.map((row) => [row.id, toRecord(row)]))
      return { toArray: [...byId.values()], get: (id) => byId.get(id) }
    },
  }
}
