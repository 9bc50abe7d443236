import type { CollectionName } from '../../schema/index.ts'
import type { Rows } from '../rows.ts'
import { childrenOf, keyOf, messagesOf, type Tables } from './tables.ts'

/** A row that the database would not take. */
export class ConstraintViolation extends Error {
  override name = 'ConstraintViolation'
  readonly constraint: 'id' | 'seq' | 'parent' | 'position'

  constructor(constraint: ConstraintViolation['constraint'], message: string) {
    super(message)
    this.constraint = constraint
  }
}

/**
 * Checks a new row against the rows that are there.
 *
 * @throws ConstraintViolation
 */
export function checkInsert<Name extends CollectionName>(
  tables: Tables,
  collection: Name,
  row: Rows[Name],
): void {
  if (tables[collection].has(keyOf(row))) {
    throw violation('id', collection, row, 'there is a row with this id already. Use another one.')
  }
  if (collection === 'timelineEvents') checkEvent(tables, row as Rows['timelineEvents'])
  if (collection === 'chatThreads') parentSession(tables, collection, row as Rows['chatThreads'])
  if (collection === 'chatMessages') checkMessage(tables, row as Rows['chatMessages'])
}

function checkEvent(tables: Tables, event: Rows['timelineEvents']): void {
  const session = parentSession(tables, 'timelineEvents', event)
  const others = childrenOf<'timelineEvents'>(tables.timelineEvents, session)
  if (others.some(({ seq }) => seq === event.seq)) {
    const message = `seq ${event.seq} is taken in session '${session.id}'. Use another one.`
    throw violation('seq', 'timelineEvents', event, message)
  }
}

function checkMessage(tables: Tables, message: Rows['chatMessages']): void {
  const thread = tables.chatThreads.get(keyOf({ tenantId: message.tenantId, id: message.threadId }))
  if (thread === undefined || thread.sessionId !== message.sessionId) {
    const text = `there is no thread '${message.threadId}' in session '${message.sessionId}'. Insert it first.`
    throw violation('parent', 'chatMessages', message, text)
  }
  for (const other of messagesOf(tables, thread)) {
    const isTwin = message.clientMessageId !== null
    if (other.position !== message.position) {
      if (!isTwin || other.clientMessageId !== message.clientMessageId) continue
    }
    const text = `message '${other.id}' of the thread has the same position or clientMessageId.`
    throw violation('position', 'chatMessages', message, text)
  }
}

function parentSession(
  tables: Tables,
  collection: CollectionName,
  row: { readonly tenantId: string; readonly id: string; readonly sessionId: string },
): Rows['sessions'] {
  const session = tables.sessions.get(keyOf({ tenantId: row.tenantId, id: row.sessionId }))
  if (session !== undefined) return session
  const message = `there is no session '${row.sessionId}' in tenant '${row.tenantId}'. Insert it first.`
  throw violation('parent', collection, row, message)
}

function violation(
  constraint: ConstraintViolation['constraint'],
  collection: CollectionName,
  row: { readonly id: string },
  message: string,
): ConstraintViolation {
  return new ConstraintViolation(constraint, `${collection} '${row.id}': ${message}`)
}
