import { randomUUID } from 'node:crypto'
import { openSnapshot } from './snapshots.server'

export type ChatMode = 'session' | 'general'

export interface ChatThreadRecord {
  id: string
  sessionId: string
  mode: ChatMode
  title: string
  status: 'active' | 'archived'
  messageCount: number
  lastMessagePreview?: string
  lastMessageAt?: string
  createdAt: string
  updatedAt: string
}

const { collection, save } = openSnapshot<ChatThreadRecord>('chat-threads', 'chat-threads.json')

export function listChatThreads(sessionId: string, mode?: ChatMode): ChatThreadRecord[] {
  return collection.toArray
    .filter((thread) => thread.sessionId === sessionId && (!mode || thread.mode === mode))
    .sort((one, other) => other.updatedAt.localeCompare(one.updatedAt))
}

export function getChatThreadById(id: string): ChatThreadRecord | null {
  return collection.get(id) ?? null
}

export function startNewChatThread(sessionId: string, mode: ChatMode): ChatThreadRecord {
  const threads = listChatThreads(sessionId, mode)
  for (const { id, status } of threads) if (status === 'active') archiveChatThread(id)
  const now = new Date().toISOString()
  const name = mode === 'session' ? 'Session Coach' : 'General'
  const title = threads.length === 0 ? name : `${name} #${threads.length + 1}`
  const times = { createdAt: now, updatedAt: now }
  const id = `thread_${randomUUID()}`
  collection.insert({ id, sessionId, mode, title, status: 'active', messageCount: 0, ...times })
  save()
  return collection.get(id) as ChatThreadRecord
}

export function getActiveChatThread(sessionId: string, mode: ChatMode): ChatThreadRecord {
  const active = listChatThreads(sessionId, mode).find(({ status }) => status === 'active')
  return active ?? startNewChatThread(sessionId, mode)
}

export function archiveChatThread(id: string): void {
  change(id, (thread) => {
    thread.status = 'archived'
  })
}

export function renameChatThread(id: string, title: string): ChatThreadRecord | null {
  change(id, (thread) => {
    thread.title = title.trim() || thread.title
  })
  return getChatThreadById(id)
}

export function touchChatThread(id: string, preview: string, at: string): void {
  change(id, (thread) => {
    thread.messageCount += 1
    thread.lastMessagePreview = preview.slice(0, 280)
    thread.lastMessageAt = at
  })
}

function change(id: string, apply: (thread: ChatThreadRecord) => void): void {
  if (!collection.has(id)) return
  collection.update(id, (thread) => {
    apply(thread as ChatThreadRecord)
    thread.updatedAt = new Date().toISOString()
  })
  save()
}
