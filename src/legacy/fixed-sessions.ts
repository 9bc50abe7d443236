import { createHash } from 'node:crypto'
import { SessionDbError } from '../errors.ts'
import { MAX_ID_LENGTH } from '../schema/fields.ts'

/**
 * Session ids that an app has in its code, such as `session-default`. A row of `sessions` has one owner,
 * so such an id must either mean another session for each user (`user`), or one session that is shared
 * with the tenant (`tenant`).
 *
 * @example
 * const fixedSessions = { 'session-default': 'user' } as const
 */
export type FixedSessions = Readonly<Record<string, 'user' | 'tenant'>>

/** Translates the fixed ids of an app to those in the database and back, for one user. */
export interface SessionIds {
  /** The id in the database. */
  stored(sessionId: string): string
  /** The id in the app's code. */
  original(sessionId: string): string
  /** True for an id whose session is shared with the tenant. */
  isShared(sessionId: string): boolean
}

/**
 * The id in the database of a fixed session id of scope `user`. The same user gets the same id always.
 *
 * @throws SessionDbError `invalid` when `sessionId` is too long to be extended.
 * @example
 * userSessionId('session-default', 'ada') // 'session-default-24a1f4d4d0d1e0d3'
 */
export function userSessionId(sessionId: string, userId: string): string {
  const id = `${sessionId}-${createHash('sha256').update(userId).digest('hex').slice(0, 16)}`
  if (id.length <= MAX_ID_LENGTH) return id
  throw new SessionDbError(
    'invalid',
    `The fixed session id ${sessionId} is too long. Use one of at most ${MAX_ID_LENGTH - 17} characters.`,
  )
}

export function createSessionIds(fixed: FixedSessions, userId: string): SessionIds {
  const stored = new Map<string, string>()
  const original = new Map<string, string>()
  for (const [id, scope] of Object.entries(fixed)) {
    const inDatabase = scope === 'user' ? userSessionId(id, userId) : id
    stored.set(id, inDatabase)
    original.set(inDatabase, id)
  }
  return {
    stored: (id) => stored.get(id) ?? id,
    original: (id) => original.get(id) ?? id,
    isShared: (id) => Object.hasOwn(fixed, id) && fixed[id] === 'tenant',
  }
}
