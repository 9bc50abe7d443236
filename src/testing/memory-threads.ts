import { siblingsOf, threadPath } from '../chat/thread-path.ts'
import { SessionDbError } from '../errors.ts'
import { foldDeltas } from '../schema/index.ts'
import type { ThreadPage, ThreadRequest } from '../server/store/reading.ts'
import { type MemoryContext, seesInMemory } from './memory-writes.ts'
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
