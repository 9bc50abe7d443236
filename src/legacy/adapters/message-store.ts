import { randomUUID } from 'node:crypto'
import { SessionDbError } from '../../errors.ts'
import type { LegacyMode } from '../import/records.ts'
import type { LegacyContext } from './context.ts'
import type { MessageFilter, MessageRow } from './legacy-rows.ts'
import { type LegacyMessageRecord, type RecordsOf, withoutNulls } from './records.ts'
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

/** The old store of messages. */
export function createMessageStore<R>(context: LegacyContext, threads: ThreadStore<R>) {
  type Message = RecordsOf<R>['message']
  const { rows, ids, write } = context

  async function select(filter: MessageFilter): Promise<MessageRow[]> {
    const found = await rows.messages(filter)
    return found.map((row) => ({ ...row, sessionId: ids.original(row.sessionId) }))
  }

  const toRecord = ({ metadata: _, version: __, ...row }: MessageRow) =>
    withoutNulls(row) as Message

  async function requireRow(id: string): Promise<MessageRow> {
    const [found] = await select({ id })
    if (!found) throw new SessionDbError('not_found', `There is no chat message ${id}.`)
    return found
  }

  async function listChatMessagesByThread(threadId: string): Promise<Message[]> {
    return (await select({ threadId })).map(toRecord)
  }

  async function deleteMessagesForThread(threadId: string): Promise<void> {
    const found = await select({ threadId })
    await deleteRows(
      context,
      'chatMessages',
      found.map(({ id }) => id),
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
      const filter = { sessionId: ids.stored(sessionId), mode, threadId: thread }
      return (await select(filter)).map(toRecord)
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
      const own = await select({ isOwn: true })
      await deleteRows(
        context,
        'chatMessages',
        own.map(({ id }) => id),
      )
    },
    /** Reads all messages that the user may see. The old function returned a collection. */
    async getChatMessagesCollection(): Promise<{
      readonly toArray: readonly Message[]
      get(id: string): Message | undefined
    }> {
      const all = await select({})
      const byId = new Map(all.map((row) => [row.id, toRecord(row)]))
      return { toArray: [...byId.values()], get: (id) => byId.get(id) }
    },
  }
}
