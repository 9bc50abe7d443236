import { chatMessageColumns } from './chat-message.ts'
import { chatThreadColumns } from './chat-thread.ts'
import { messageFeedbackColumns } from './message-feedback.ts'
import { sessionColumns } from './session.ts'
import { sessionGrantColumns } from './session-grant.ts'
import { chatMessageDeltaColumns } from './streamed-message.ts'
import { threadStateColumns } from './thread-state.ts'
import { timelineEventColumns } from './timeline-event.ts'

/** The four replicated collections by their name in code, with table name and columns. */
export const tables = {
  sessions: { name: 'sessions', columns: sessionColumns },
  sessionGrants: { name: 'session_grants', columns: sessionGrantColumns },
  timelineEvents: { name: 'timeline_events', columns: timelineEventColumns },
  chatThreads: { name: 'chat_threads', columns: chatThreadColumns },
  chatMessages: { name: 'chat_messages', columns: chatMessageColumns },
} as const

/** The name of a collection in code and mutations. */
export type CollectionName = keyof typeof tables

/** The tables in which each user has its own rows, by their name in mutations. */
export const ownTables = /* @__PURE__ */ (() =>
  ({
    threadStates: { name: 'chat_thread_states', columns: threadStateColumns },
    messageFeedback: { name: 'chat_message_feedback', columns: messageFeedbackColumns },
  }) as const)()

/** All replicated tables: those of the collections, users' own rows and the deltas of streamed messages. */
export const replicatedTables = /* @__PURE__ */ (() =>
  ({
    ...tables,
    ...ownTables,
    chatMessageDeltas: { name: 'chat_message_deltas', columns: chatMessageDeltaColumns },
  }) as const)()
