import {
  newMessage,
  newSession,
  newThread,
  newTimelineEvent,
} from '../../../../src/collections/optimistic/optimistic-rows.ts'
import type {
  ChatMessage,
  ChatThread,
  Session,
  TimelineEvent,
} from '../../../../src/schema/index.ts'

export const ann = { tenantId: 't1', userId: 'ann' }
const START = new Date('2024-05-01T10:00:00.000Z')

export function session(id: string, changes: Partial<Session> = {}): Session {
  return { ...newSession({ id, title: `Session ${id}` }, ann, START), ...changes }
}

export function thread(id: string, changes: Partial<ChatThread> = {}): ChatThread {
  const value = { id, sessionId: 's1', mode: 'session', title: `Thread ${id}` } as const
  return { ...newThread(value, ann, START), ...changes }
}

export function message(id: string, changes: Partial<ChatMessage> = {}): ChatMessage {
  const value = { id, threadId: 'th1', role: 'user', content: `Message ${id}` } as const
  return {
    ...newMessage(value, { sessionId: 's1', position: 1, parentId: null }, ann, START),
    ...changes,
  }
}

export function timelineEvent(seq: number): TimelineEvent {
  const value = { id: `e${seq}`, sessionId: 's1', seq, kind: 'message' } as const
  return newTimelineEvent(value, ann, START)
}
