import type { ChatMessageInsert, ChatMessageUpdate } from '../../schema/chat-message.ts'
import type { ChatThreadInsert } from '../../schema/chat-thread.ts'
import type { SessionInsert, SessionUpdate } from '../../schema/session.ts'
import type { MutationInput } from '../../writes/batch.ts'
import { createId } from '../create-id.ts'
import type { PendingUpload, SessionUpload } from '../upload/upload-session.ts'
import { type CommitContext, commitBatch, type PendingWrite } from './commit-batch.ts'
import { createStreamActions, type StreamActions } from './stream-actions.ts'

/** A write of one row. */
export interface PendingRowWrite extends PendingWrite {
  /** The row's id, known at once. */
  readonly id: string
}

/** What a new row needs, its id left to the library if the caller has none. */
export type NewRow<Insert extends { readonly id: string }> = Omit<Insert, 'id'> & {
  readonly id?: string
}

/** A new message; `sessionId` helps to show it at once where only its thread is open. */
export type NewMessage = NewRow<ChatMessageInsert> & { readonly sessionId?: string }

/** Guards against overwriting what somebody else has changed meanwhile. */
export interface WriteGuard {
  /** The version the caller has seen; if the row has another by now, the write is a `conflict`. */
  readonly expectedVersion?: number
}

/**
 * Everything a user can do. Each call shows its effect at once in every collection that syncs, and
 * goes to the server as one batch, after earlier ones that concern the same rows: a message may be
 * appended to a thread that was created just before. None of them throws: `committed` rejects with a
 * `SessionDbError`, the effect is taken back, and `onError` hears of it.
 */
export interface SessionActions extends StreamActions {
  createSession(session: NewRow<SessionInsert>): PendingRowWrite
  /**
   * Makes a session of a file. It is sent in parts and goes on by itself after a broken connection;
   * `onProgress` hears of every part that the server has stored. Needs `uploadUrl`.
   *
   * @example
   * const upload = actions.uploadSession({ file, onProgress: ({ uploadedBytes }) => show(uploadedBytes) })
   * await upload.uploaded // or upload.abort()
   */
  uploadSession(upload: SessionUpload): PendingUpload
  updateSession(id: string, changes: SessionUpdate, guard?: WriteGuard): PendingRowWrite
  /** Sets `archivedAt`; `updateSession(id, { archivedAt: null })` brings the session back. */
  archiveSession(id: string, guard?: WriteGuard): PendingRowWrite
  /** Deletes a session with its timeline, threads and messages. */
  deleteSession(id: string, guard?: WriteGuard): PendingRowWrite
  /** Creates a thread, active unless said otherwise; it replaces the active one of its mode. */
  createThread(thread: NewRow<ChatThreadInsert>): PendingRowWrite
  renameThread(id: string, title: string, guard?: WriteGuard): PendingRowWrite
  archiveThread(id: string, guard?: WriteGuard): PendingRowWrite
  /** Makes a thread the active one of its session and mode; the one before is archived. */
  activateThread(id: string, guard?: WriteGuard): PendingRowWrite
  /** Deletes a thread with its messages. */
  deleteThread(id: string, guard?: WriteGuard): PendingRowWrite
  appendMessage(message: NewMessage): PendingRowWrite
  updateMessage(id: string, changes: ChatMessageUpdate, guard?: WriteGuard): PendingRowWrite
  deleteMessage(id: string, guard?: WriteGuard): PendingRowWrite
  /**
   * Writes several changes as one transaction: all or none.
   *
   * @example
   * const threadId = createId()
   * actions.write([
   *   { collection: 'chatThreads', type: 'insert', value: { id: threadId, sessionId, mode: 'session', title } },
   *   { collection: 'chatMessages', type: 'insert', value: { id: createId(), threadId, role: 'user', content } },
   * ])
   */
  write(mutations: readonly MutationInput[]): PendingWrite
}

/** Creates the actions over one set of collections. */
export function createActions(
  context: CommitContext,
  uploadSession: SessionActions['uploadSession'],
): SessionActions {
  const row = (
    id: string,
    mutation: MutationInput,
    sessionOfThread?: ReadonlyMap<string, string>,
  ): PendingRowWrite => ({ id, ...commitBatch(context, [mutation], sessionOfThread) })

  const updateSession: SessionActions['updateSession'] = (id, changes, guard) =>
    row(id, { collection: 'sessions', type: 'update', id, changes, ...guard })

  return {
    createSession(session) {
      const id = session.id ?? createId()
      return row(id, { collection: 'sessions', type: 'insert', value: { ...session, id } })
    },
    uploadSession,
    updateSession,
    archiveSession: (id, guard) =>
      updateSession(id, { archivedAt: new Date().toISOString() }, guard),
    deleteSession: (id, guard) => row(id, { collection: 'sessions', type: 'delete', id, ...guard }),
    createThread(thread) {
      const id = thread.id ?? createId()
      return row(id, { collection: 'chatThreads', type: 'insert', value: { ...thread, id } })
    },
    renameThread: (id, title, guard) =>
      row(id, { collection: 'chatThreads', type: 'update', id, changes: { title }, ...guard }),
    archiveThread: (id, guard) => row(id, threadStatus(id, 'archived', guard)),
    activateThread: (id, guard) => row(id, threadStatus(id, 'active', guard)),
    deleteThread: (id, guard) =>
      row(id, { collection: 'chatThreads', type: 'delete', id, ...guard }),
    appendMessage({ sessionId, ...message }) {
      const id = message.id ?? createId()
      const mutation: MutationInput = {
        collection: 'chatMessages',
        type: 'insert',
        value: { ...message, id },
      }
      if (sessionId === undefined) return row(id, mutation)
      return row(id, mutation, new Map([[message.threadId, sessionId]]))
    },
    updateMessage: (id, changes, guard) =>
      row(id, { collection: 'chatMessages', type: 'update', id, changes, ...guard }),
    deleteMessage: (id, guard) =>
      row(id, { collection: 'chatMessages', type: 'delete', id, ...guard }),
    write: (mutations) => commitBatch(context, mutations),
    ...createStreamActions(context),
  }
}

function threadStatus(
  id: string,
  status: 'active' | 'archived',
  guard: WriteGuard | undefined,
): MutationInput {
  return { collection: 'chatThreads', type: 'update', id, changes: { status }, ...guard }
}
