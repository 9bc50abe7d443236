import { SessionDbError } from '../../errors.ts'
import type { Mutation } from '../../writes/index.ts'
import type { MutationOutcome } from './statements.ts'

/**
 * Why a mutation was not admitted. A row that the principal may not see and a row that does not
 * exist give the same error, word for word.
 */
export function refusal(
  mutation: Mutation,
  index: number,
  { permitted, current: currentVersion }: MutationOutcome,
): SessionDbError {
  const where = `mutations[${index}]`
  const details = { mutation: index, collection: mutation.collection }
  if (permitted === null) {
    return new SessionDbError('not_found', `${where}: ${missing(mutation)}`, { details })
  }
  if (!permitted) {
    const message = `${where}: you can see this, but you are not allowed to ${deed(mutation)}.`
    return new SessionDbError('forbidden', message, { details })
  }
  if (mutation.type === 'append') {
    const message =
      `${where}: the message does not take this delta: it has ended, has another writer by now, or ` +
      'has another delta of this number. Resume it to go on.'
    return new SessionDbError('conflict', message, { details })
  }
  return new SessionDbError(
    'conflict',
    `${where}: the row has changed since you read it; it is at version ${currentVersion} now. ` +
      'Read it again and decide anew.',
    { details: { ...details, currentVersion } },
  )
}

function missing(mutation: Mutation): string {
  if (mutation.type !== 'insert') {
    return `there is no such row in ${mutation.collection}, or it is not shared with you.`
  }
  const parent = mutation.collection === 'chatMessages' ? 'thread' : 'session'
  return `its ${parent} does not exist, or is not shared with you.`
}

function deed({ type, collection }: Mutation): string {
  return type === 'insert'
    ? `add to its ${collection}`
    : `${type}${type === 'append' ? ' to' : ''} it`
}
