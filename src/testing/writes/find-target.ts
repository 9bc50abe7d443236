import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import { keyOf, type Tables } from '../database/tables.ts'
import type { Rows } from '../rows.ts'

/** What the decision on a mutation is made on. */
export interface Target {
  readonly permitted: boolean
  /** Null where the row has none, or is yet to be. */
  readonly currentVersion: number | null
}

/**
 * Decides on a mutation by the default policy: see what you own or what is shared with your tenant,
 * and chat in it; the owner changes a session and its timeline, the creator or the session's owner a
 * thread, the author or the session's owner a message.
 *
 * @returns undefined when there is no such row that the principal may see
 */
export function findTarget(
  tables: Tables,
  principal: Principal,
  mutation: Mutation,
): Target | undefined {
  if (mutation.type === 'insert') return targetOfInsert(tables, principal, mutation)
  const row = tables[mutation.collection].get(keyOf({ ...principal, id: mutation.id }))
  if (row === undefined) return undefined
  const session = visibleSession(tables, principal, 'sessionId' in row ? row.sessionId : row.id)
  if (session === undefined) return undefined
  const permitted = [session.ownerId, makerOf(row)].includes(principal.userId)
  return { permitted, currentVersion: 'version' in row ? row.version : null }
}

function targetOfInsert(
  tables: Tables,
  principal: Principal,
  mutation: Extract<Mutation, { type: 'insert' }>,
): Target | undefined {
  if (mutation.collection === 'sessions') return { permitted: true, currentVersion: null }
  const sessionId =
    mutation.collection === 'chatMessages'
      ? tables.chatThreads.get(keyOf({ ...principal, id: mutation.value.threadId }))?.sessionId
      : mutation.value.sessionId
  const session = sessionId === undefined ? undefined : visibleSession(tables, principal, sessionId)
  if (session === undefined) return undefined
  const isOwner = session.ownerId === principal.userId
  return { permitted: isOwner || mutation.collection !== 'timelineEvents', currentVersion: null }
}

function visibleSession(tables: Tables, principal: Principal, id: string) {
  const session = tables.sessions.get(keyOf({ tenantId: principal.tenantId, id }))
  const isVisible = session?.ownerId === principal.userId || session?.visibility === 'tenant'
  return isVisible ? session : undefined
}

/** Who may change a row beside the session's owner. */
function makerOf(row: Rows[keyof Rows]): string | undefined {
  if ('createdBy' in row) return row.createdBy
  return 'authorId' in row ? row.authorId : undefined
}
