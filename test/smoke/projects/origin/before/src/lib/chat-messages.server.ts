import { randomUUID } from 'node:crypto'
import { type ChatMode, getActiveChatThread, touchChatThread } from './chat-threads.server'
import { openSnapshot } from './snapshots.server'

export interface ChatMessageRecord {
  id: string
  sessionId: string
  mode: ChatMode
  threadId: string
  role: 'system' | 'user' | 'assistant'
  content: string
  clientMessageId?: string
  evidence?: unknown[]
  contextEvents?: unknown[]
  createdAt: string
  updatedAt: string
}

type NewMessage = Omit<ChatMessageRecord, 'id' | 'threadId' | 'createdAt' | 'updatedAt'> & {
  threadId?: string
}

const { collection, save } = openSnapshot<ChatMessageRecord>('chat-messages', 'chat-messages.json')

export function listChatMessages(
  sessionId: string,
  mode: ChatMode,
  threadId?: string,
): ChatMessageRecord[] {
  const thread = threadId ?? getActiveChatThread(sessionId, mode).id
  return collection.toArray
    .filter((row) => row.sessionId === sessionId && row.mode === mode)
    .filter((row) => (row.threadId ?? thread) === thread)
    .sort((one, other) => one.createdAt.localeCompare(other.createdAt))
}

export function appendChatMessage(input: NewMessage): ChatMessageRecord {
  const threadId = input.threadId ?? getActiveChatThread(input.sessionId, input.mode).id
  const known = collection.toArray.find(
    (row) =>
      row.threadId === threadId &&
      row.clientMessageId !== undefined &&
      row.clientMessageId === input.clientMessageId,
  )
  if (known) return known
  const now = new Date().toISOString()
  const id = `chat_${randomUUID()}`
  collection.insert({ ...input, id, threadId, createdAt: now, updatedAt: now })
  save()
  touchChatThread(threadId, input.content, now)
  return collection.get(id) as ChatMessageRecord
}

export function clearChatMessages(): void {
  for (const { id } of collection.toArray) collection.delete(id)
  save()
}
