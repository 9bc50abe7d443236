import { SessionDbError } from '../../errors.ts'
import type {
  ChatMessage,
  ChatMessageInsert,
  ChatMessageUpdate,
} from '../../schema/chat-message.ts'
import type { ChatThreadInsert } from '../../schema/chat-thread.ts'
import type { SessionInsert, SessionUpdate } from '../../schema/session.ts'
import type { GrantRole } from '../../schema/session-grant.ts'
import type { MutationInput } from '../../writes/batch.ts'
import { createId } from '../create-id.ts'
import {
  type BatchHints,
  type CommitContext,
  commitBatch,
  type PendingWrite,
} from './commit-batch.ts'

/** A write of one row. */
export interface PendingRowWrite extends PendingWrite {
  /** The row's id, also before the server has answered. */
  readonly id: string
}

/** A new row; its id is generated unless given. */
export type NewRow<Insert extends { readonly id: string }> = Omit<Insert, 'id'> & {
  readonly id?: string
}

/** A new message. Pass `sessionId` to show it immediately where only its thread is open. */
export type NewMessage = NewRow<ChatMessageInsert> & { readonly sessionId?: string }

/** Guards against overwriting another user's change. */
export interface WriteGuard {
  /** The version the caller has seen. If the row has another one, the write fails with `conflict`. */
  readonly expectedVersion?: number
}

/**
 * The changes a user can make. Each call shows immediately in every collection that syncs, and goes
 * to the server as one batch, after earlier batches that concern the same rows: a message may be
 * appended to a thread created just before.
 *
 * Actions never throw. On failure the optimistic change is rolled back, `committed` rejects with a
 * `SessionDbError`, and `onError` is called.
 */
export interface SessionActions {
  createSession(session: NewRow<SessionInsert>): PendingRowWrite
  updateSession(id: string, changes: SessionUpdate, guard?: WriteGuard): PendingRowWrite
  /** Sets `archivedAt`; `updateSession(id, { archivedAt: null })` restores the session. */
  archiveSession(id: string, guard?: WriteGuard): PendingRowWrite
  /** Deletes a session with its timeline, threads and messages. */
  deleteSession(id: string, guard?: WriteGuard): PendingRowWrite
  /**
   * Shares a session with a user (`user:ann`), a group (`team:t1`) or everyone in the tenant (`tenant`).
   * `db.session(id).grants` lists the grants.
   */
  shareSession(sessionId: string, grantee: string, role?: GrantRole): PendingRowWrite
  /** Changes the role of a grant. */
  changeRole(grantId: string, role: GrantRole, guard?: WriteGuard): PendingRowWrite
  /** Revokes a grant. */
  unshareSession(grantId: string, guard?: WriteGuard): PendingRowWrite
  /**
   * Gives up the user's own grant. Sessions that are also shared with its tenant or a group stay visible.
   * Fails with `not_found` when the user has no grant of its own; an owner transfers the session first.
   */
  leaveSession(sessionId: string): PendingWrite
  /** Makes another user the owner of a session. The previous owner keeps no access of its own. */
  transferSession(id: string, ownerId: string, guard?: WriteGuard): PendingRowWrite
  /** Creates a thread. Unless its status says otherwise, it replaces the active one of its mode. */
  createThread(thread: NewRow<ChatThreadInsert>): PendingRowWrite
  renameThread(id: string, title: string, guard?: WriteGuard): PendingRowWrite
  archiveThread(id: string, guard?: WriteGuard): PendingRowWrite
  /** Makes a thread the active one of its session and mode, and archives the previous one. */
  activateThread(id: string, guard?: WriteGuard): PendingRowWrite
  /** Deletes a thread with its messages. */
  deleteThread(id: string, guard?: WriteGuard): PendingRowWrite
  appendMessage(message: NewMessage): PendingRowWrite
  updateMessage(id: string, changes: ChatMessageUpdate, guard?: WriteGuard): PendingRowWrite
  /**
   * Puts another version beside a message, and shows it: both stay, and so do the messages that followed the first.
   * Answer the new one as you answer a new message.
   *
   * @example
   * const { id } = db.actions.editMessage(message, { content: 'A better question' })
   */
  editMessage(
    message: Pick<ChatMessage, 'threadId' | 'sessionId' | 'parentId' | 'role'>,
    changes: Omit<NewMessage, 'threadId' | 'sessionId' | 'parentId' | 'role'>,
  ): PendingRowWrite
  /** Shows the branch of a thread that ends with this message (`branchEnd`), to everyone. */
  switchBranch(threadId: string, headId: string, guard?: WriteGuard): PendingRowWrite
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

/**
 * Creates the actions over one set of collections.
 *
 * @param grantsOf returns the grants of a session that the user may see
 */
export function createActions(
  context: CommitContext,
  grantsOf: (sessionId: string) => GrantList,
): SessionActions {
  const row = (id: string, mutation: MutationInput, hints?: BatchHints): PendingRowWrite => ({
    id,
    ...commitBatch(context, [mutation], hints),
  })

  const updateSession: SessionActions['updateSession'] = (id, changes, guard) =>
    row(id, { collection: 'sessions', type: 'update', id, changes, ...guard })

  const appendMessage: SessionActions['appendMessage'] = ({ sessionId, ...message }) => {
    const id = message.id ?? createId()
    const mutation: MutationInput = {
      collection: 'chatMessages',
      type: 'insert',
      value: { ...message, id },
    }
    if (sessionId === undefined) return row(id, mutation)
    return row(id, mutation, { sessionOfThread: new Map([[message.threadId, sessionId]]) })
  }

  return {
    createSession(session) {
      const id = session.id ?? createId()
      return row(id, { collection: 'sessions', type: 'insert', value: { ...session, id } })
    },
    updateSession,
    archiveSession: (id, guard) =>
      updateSession(id, { archivedAt: new Date().toISOString() }, guard),
    deleteSession: (id, guard) => row(id, { collection: 'sessions', type: 'delete', id, ...guard }),
    shareSession(sessionId, grantee, role = 'member') {
      const value = { id: createId(), sessionId, grantee, role }
      return row(value.id, { collection: 'sessionGrants', type: 'insert', value })
    },
    changeRole: (id, role, guard) =>
      row(id, { collection: 'sessionGrants', type: 'update', id, changes: { role }, ...guard }),
    unshareSession: (id, guard) =>
      row(id, { collection: 'sessionGrants', type: 'delete', id, ...guard }),
    leaveSession(sessionId) {
      const batchId = createId()
      const committed = findOwnGrant(context, grantsOf(sessionId)).then((id) => {
        const mutation: MutationInput = { collection: 'sessionGrants', type: 'delete', id }
        return commitBatch(context, [mutation], undefined, batchId).committed
      })
      committed.catch(() => {})
      return { batchId, committed }
    },
    transferSession: (id, ownerId, guard) => updateSession(id, { ownerId }, guard),
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
    appendMessage,
    editMessage: ({ threadId, sessionId, parentId, role }, changes) =>
      appendMessage({ ...changes, threadId, sessionId, parentId, role }),
    switchBranch: (id, headId, guard) =>
      row(id, { collection: 'chatThreads', type: 'update', id, changes: { headId }, ...guard }),
    updateMessage: (id, changes, guard) =>
      row(id, { collection: 'chatMessages', type: 'update', id, changes, ...guard }),
    deleteMessage: (id, guard) =>
      row(id, { collection: 'chatMessages', type: 'delete', id, ...guard }),
    write: (mutations) => commitBatch(context, mutations),
  }
}

/** The loaded grants of a session. */
interface GrantList {
  toArrayWhenReady(): Promise<readonly { readonly id: string; readonly grantee: string }[]>
}

async function findOwnGrant(
  { identity, onError }: CommitContext,
  grants: GrantList,
): Promise<string> {
  const grantee = `user:${identity.userId}`
  const own = (await grants.toArrayWhenReady()).find((grant) => grant.grantee === grantee)
  if (own !== undefined) return own.id
  const error = new SessionDbError(
    'not_found',
    'This session is not shared with you by name, so you cannot leave it.',
  )
  onError(error)
  throw error
}

function threadStatus(
  id: string,
  status: 'active' | 'archived',
  guard: WriteGuard | undefined,
): MutationInput {
  return { collection: 'chatThreads', type: 'update', id, changes: { status }, ...guard }
}
