import { siblingsOf, threadPath } from '../chat/thread-path.ts'
import { SessionDbError } from '../errors.ts'
import { foldDeltas } from '../schema/index.ts'
import { refusal } from '../server/store/errors.ts'
import type { ThreadPage, ThreadRequest } from '../server/store/reading.ts'
import type { TitleSuggestion } from '../server/store/suggest-title.ts'
import { findTarget, type MemoryContext, seesInMemory } from './memory-writes.ts'
import { deltasOf, keyOf, messagesOf } from './tables.ts'

/** Reads the last messages of a branch, as the store's `readThread` does. */
export function readThreadInMemory(
  context: MemoryContext,
  id: string,
  { last = 100, before, branch }: ThreadRequest,
): ThreadPage | undefined {
  const { tables } = context.database
  const { tenantId } = context.principal
  const row = tables.chatThreads.get(keyOf({ tenantId, id }))
  const session = row && tables.sessions.get(keyOf({ tenantId, id: row.sessionId }))
  if (row === undefined || session === undefined || !seesInMemory(context, session))
    return undefined
  const messages = messagesOf(tables, row)
  const named = before ?? branch
  if (named !== undefined && messages.every((message) => message.id !== named)) {
    throw new SessionDbError('not_found', `${named} is no message of this thread.`)
  }
  const path = threadPath(messages, named ?? row.headId)
  const upTo = before === undefined ? path : path.slice(0, -1)
  const page = upTo.slice(-last)
  const { previousHeadId: _, titleSet: __, audiences: ___, ...thread } = row
  return {
    thread,
    messages: page.map((message) => ({
      ...message,
      ...foldDeltas(message, deltasOf(tables, message)),
    })),
    siblings: Object.fromEntries(
      page.flatMap((message) => {
        const ids = siblingsOf(messages, message).all.map((sibling) => sibling.id)
        return ids.length > 1 ? [[message.id, ids]] : []
      }),
    ),
    before: page[0]?.parentId == null ? null : page[0].id,
  }
}

/** Sets the title of a thread, unless a user has changed it, as the store's `suggestTitle` does. */
export function suggestTitleInMemory(
  context: MemoryContext,
  { threadId: id, title }: TitleSuggestion,
): boolean {
  const mutation = { collection: 'chatThreads', type: 'update', id, changes: { title } } as const
  const target = findTarget(context, mutation)
  if (target?.permitted !== true) {
    throw refusal(mutation, 0, { permitted: target?.permitted ?? null, current: null })
  }
  const { tenantId } = context.principal
  const thread = context.database.tables.chatThreads.get(keyOf({ tenantId, id }))
  if (thread === undefined || thread.titleSet) return false
  context.database.transaction(({ update }) => update('chatThreads', thread, { title }))
  return true
}
