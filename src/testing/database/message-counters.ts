import { previewOf } from '../../schema/preview.ts'
import type { Rows } from '../rows.ts'
import { keyOf, messagesOf, type Tables } from './tables.ts'

type Thread = Rows['chatThreads']
type Message = Rows['chatMessages']
type Counters = Partial<Thread>

/** Changes a thread as an UPDATE does, its version included; returns it as it is then. */
type UpdateThread = (thread: Thread, changes: Counters) => Thread

/** What the database's triggers do to a thread when its messages change. */
export interface MessageCounters {
  inserted(message: Message): void
  updated(old: Message, message: Message): void
  deleted(message: Message): void
}

/**
 * Creates the triggers that keep a thread's count, preview, time and last position.
 *
 * @example
 * createMessageCounters(tables, updateThread).inserted(message)
 */
export function createMessageCounters(tables: Tables, updateThread: UpdateThread): MessageCounters {
  const threadOf = ({ tenantId, threadId }: Message) =>
    tables.chatThreads.get(keyOf({ tenantId, id: threadId }))

  return {
    inserted(message) {
      const thread = threadOf(message)
      if (thread === undefined) return
      const isNewest = message.position >= thread.lastPosition
      const counted = updateThread(thread, {
        messageCount: thread.messageCount + 1,
        lastPosition: Math.max(thread.lastPosition, message.position),
        ...(isNewest ? lastMessage(message) : {}),
      })
      if (isNewest) return
      const newest = lastMessage(messagesOf(tables, thread).at(-1))
      if (differs(counted, newest)) updateThread(counted, newest)
    },
    updated(old, message) {
      const thread = threadOf(message)
      if (thread === undefined) return
      const isSame =
        old.position === message.position && !differs(lastMessage(old), lastMessage(message))
      if (isSame) return
      const newest = messagesOf(tables, thread).at(-1)
      const lastPosition = Math.max(thread.lastPosition, newest?.position ?? 0)
      const changes = { lastPosition, ...lastMessage(newest) }
      if (lastPosition > thread.lastPosition || differs(thread, changes)) {
        updateThread(thread, changes)
      }
    },
    deleted(message) {
      const thread = threadOf(message)
      if (thread === undefined) return
      const newest = lastMessage(messagesOf(tables, thread).at(-1))
      updateThread(thread, { messageCount: thread.messageCount - 1, ...newest })
    },
  }
}

function lastMessage(message: Message | undefined) {
  return {
    lastMessageAt: message?.createdAt ?? null,
    lastMessagePreview: message === undefined ? null : previewOf(message.content),
  }
}

function differs(one: Counters, other: Counters): boolean {
  return (
    one.lastMessageAt?.getTime() !== other.lastMessageAt?.getTime() ||
    one.lastMessagePreview !== other.lastMessagePreview
  )
}
