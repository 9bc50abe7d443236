import type { MessageFeedback } from '../schema/message-feedback.ts'
import { commitBatch, type PendingWrite } from './actions/commit-batch.ts'
import { contextOf, type WithContext } from './actions/context.ts'
import { find } from './optimistic/apply-mutations.ts'
import { addOwnRows } from './own-rows.ts'
import { createScopeRegistry, type ScopeRegistry } from './scope-registry.ts'
import type { RowCollection } from './sync/synced-collection.ts'

/** The user's feedback on the messages of one session. */
export interface FeedbackList {
  /** The user's own feedback, live, by message. Others' is never sent to a browser. */
  readonly feedback: RowCollection<MessageFeedback>
  /**
   * Rates a message, or comments on it. What is left out stays as it is, and null takes it back.
   *
   * @param changes.comment up to 10,000 characters
   */
  rate(
    messageId: string,
    changes: Partial<Pick<MessageFeedback, 'rating' | 'comment'>>,
  ): PendingWrite
}

const registries = new WeakMap<object, ScopeRegistry<FeedbackList>>()

/**
 * Returns the user's feedback in a session: the same object for the same session, while held or syncing.
 *
 * @param db the collections of `createSessionCollections`
 * @param sessionId the session of the messages
 * @example
 * const { feedback, rate } = messageFeedback(db, sessionId)
 * rate(message.id, { rating: 'down', comment: 'It left out the second question.' })
 */
export function messageFeedback(db: WithContext, sessionId: string): FeedbackList {
  let registry = registries.get(db.actions)
  if (registry === undefined) {
    registry = createScopeRegistry((id, onLiveChange) => createList(db, id, onLiveChange))
    registries.set(db.actions, registry)
  }
  return registry.get(sessionId)
}

function createList(
  db: WithContext,
  sessionId: string,
  onLiveChange: (live: boolean) => void,
): FeedbackList {
  const context = contextOf(db)
  const { sources, identity, live } = context
  const rated = new Set<string>()
  const feedback = addOwnRows<MessageFeedback, 'messageFeedback'>(sources, {
    shape: 'session-feedback',
    params: { sessionId },
    key: 'messageId',
    collection: 'messageFeedback',
    onLiveChange,
    // After a reload, rows of an outbox belong to the session whose messages are open.
    holds: (messageId) =>
      rated.has(messageId) || find(live.messages(), messageId)?.sessionId === sessionId,
    newRow: (messageId, now) => ({
      tenantId: identity.tenantId,
      userId: identity.userId,
      messageId,
      sessionId,
      rating: null,
      comment: null,
      version: 0,
      createdAt: now,
      updatedAt: now,
    }),
    change(row, { rating, comment }) {
      if (rating !== undefined) row.rating = rating
      if (comment !== undefined) row.comment = comment
    },
  })
  return {
    feedback,
    rate(id, changes) {
      rated.add(id)
      return commitBatch(context, [{ collection: 'messageFeedback', type: 'set', id, changes }])
    },
  }
}
