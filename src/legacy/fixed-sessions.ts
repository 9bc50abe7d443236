import { createHash } from 'node:crypto'
import { SessionDbError } from '../errors.ts'
import { MAX_ID_LENGTH } from '../schema/fields.ts'

/**
 * Session ids that an app has in its code or derives from file names, such as `session-default`. A row
 * of `sessions` has one owner, so such an id must either mean a session of each user (`user`), or one
 * session that is shared with the tenant (`tenant`). A `*` at the end of a key matches any rest.
 *
 * @example
 * const fixedSessions = { 'session-default': 'user', 'team-*': 'tenant' } as const
 */
export type FixedSessions = Readonly<Record<string, 'user' | 'tenant'>>

/** Translates the fixed ids of an app to those in the database and back, for one user. */
export interface SessionIds {
  /** The id in the database. */
  stored(sessionId: string): string
  /** The id in the app. */
  original(sessionId: string): string
  /** True for an id in the app whose session is shared with the tenant. */
  isShared(sessionId: string): boolean
}

/**
 * Returns the id in the database of a fixed session id of scope `user`, for code that does not use the
 * drop-in functions. A user always gets the same id.
 *
 * @throws SessionDbError `invalid` when `sessionId` is too long to be extended.
 * @example
 * const { messages } = sessionDb.session(userSessionId('session-default', principal.userId))
 */
export function userSessionId(sessionId: string, userId: string): string {
  const id = sessionId + suffixOf(userId)
  if (id.length <= MAX_ID_LENGTH) return id
  const limit = MAX_ID_LENGTH - suffixOf(userId).length
  throw new SessionDbError(
    'invalid',
    `The fixed session id ${sessionId} is too long. Use one of at most ${limit} characters.`,
  )
}

export function createSessionIds(fixed: FixedSessions, userId: string): SessionIds {
  const suffix = suffixOf(userId)
  const exact = new Map(Object.entries(fixed))
  const prefixes = [...exact]
    .filter(([key]) => key.endsWith('*'))
    .map(([key, scope]) => [key.slice(0, -1), scope] as const)
  const scopeOf = (id: string) =>
    exact.get(id) ?? prefixes.find(([prefix]) => id.startsWith(prefix))?.[1]
  const original = (id: string) => {
    const start = id.endsWith(suffix) ? id.slice(0, -suffix.length) : id
    return start !== id && scopeOf(start) === 'user' ? start : id
  }
  return {
    // An id that is translated already stays: an app may have taken it from a row.
    stored: (id) =>
      scopeOf(id) === 'user' && original(id) === id ? userSessionId(id, userId) : id,
    original,
    isShared: (id) => scopeOf(id) === 'tenant',
  }
}

function suffixOf(userId: string): string {
  return `-${createHash('sha256').update(userId).digest('hex').slice(0, 16)}`
}
