import { randomUUID } from 'node:crypto'
import { openSnapshot } from './snapshots.server'

export interface ChatToolEventRecord {
  id: string
  sessionId: string
  threadId: string | null
  toolCallId: string | null
  toolName: string
  arguments: unknown
  status: 'pending' | 'executing' | 'succeeded' | 'failed'
  result?: unknown
  error?: string
  startedAt: string
  completedAt?: string
}

const { collection, save } = openSnapshot<ChatToolEventRecord>(
  'chat-tool-events',
  'chat-tool-events.json',
)

export function listChatToolEvents(sessionId: string): ChatToolEventRecord[] {
  return collection.toArray
    .filter((event) => event.sessionId === sessionId)
    .sort((one, other) => one.startedAt.localeCompare(other.startedAt))
}

export function appendChatToolEvent(
  input: Pick<ChatToolEventRecord, 'sessionId' | 'threadId' | 'toolName' | 'arguments'>,
): ChatToolEventRecord {
  const id = `tool_${randomUUID()}`
  const startedAt = new Date().toISOString()
  collection.insert({ ...input, id, toolCallId: null, status: 'executing', startedAt })
  save()
  return collection.get(id) as ChatToolEventRecord
}

export function updateChatToolEventStatus(
  id: string,
  status: ChatToolEventRecord['status'],
  outcome: { result?: unknown; error?: string } = {},
): ChatToolEventRecord {
  collection.update(id, (event) => {
    event.status = status
    Object.assign(event, outcome)
    event.completedAt = new Date().toISOString()
  })
  save()
  return collection.get(id) as ChatToolEventRecord
}
