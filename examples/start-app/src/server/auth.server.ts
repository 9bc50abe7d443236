import type { Principal } from '@org/session-db'
import { SessionDbError } from '@org/session-db'
import { ORGANIZATION_HEADER } from '#/lib/organization'
import { createAuth } from './auth-options'
import { required } from './database.server'

/** How long a session that was ended, or a membership, may still be honoured, in ms. */
export const REVOCATION_MS = 5_000

const { auth, database } = createAuth({
  databaseUrl: required('DATABASE_URL'),
  secret: required('BETTER_AUTH_SECRET'),
  url: process.env.BETTER_AUTH_URL,
})

export { auth }

/** An organisation that somebody is a member of. */
export interface Membership {
  readonly id: string
  readonly name: string
  readonly role: string
}

/** The organisations of a user, in the order in which they were joined. */
export async function membershipsOf(userId: string): Promise<Membership[]> {
  const { rows } = await database.query<Membership>(
    `SELECT o.id, o.name, m.role FROM member m JOIN organization o ON o.id = m."organizationId"
     WHERE m."userId" = $1 ORDER BY m."createdAt", o.id`,
    [userId],
  )
  return rows
}

/** The names of the people of an organisation, by user id. */
export async function namesOfMembers(organizationId: string): Promise<Record<string, string>> {
  const { rows } = await database.query<{ id: string; name: string }>(
    `SELECT u.id, u.name FROM member m JOIN "user" u ON u.id = m."userId"
     WHERE m."organizationId" = $1`,
    [organizationId],
  )
  return Object.fromEntries(rows.map(({ id, name }) => [id, name]))
}

interface Remembered {
  readonly principal: Promise<Principal | undefined>
  readonly until: number
}

const remembered = new Map<string, Remembered>()

/**
 * Who sends a request, for which organisation: what the library's `authenticate` options want. The
 * database is asked once in `REVOCATION_MS` per session, however many streams and writes it has. A
 * cookie cache would do the same, but nobody can take back a cookie, and one that is renewed on a
 * shape's answer would go into the HTTP cache with it.
 *
 * A page says which organisation it shows. When the session has moved on to another, in another tab,
 * it is refused: nothing that was meant for one organisation may end up in another.
 *
 * @throws SessionDbError `unavailable` when the database cannot be asked
 */
export async function authenticate(request: Request): Promise<Principal | undefined> {
  const cookies = request.headers.get('cookie')
  if (cookies === null) return undefined
  const shown = request.headers.get(ORGANIZATION_HEADER)
  const isShown = (principal: Principal | undefined) =>
    shown === null || principal === undefined || principal.tenantId === shown
  const principal = await recall(cookies)
  if (isShown(principal)) return principal
  remembered.delete(cookies)
  const now = await recall(cookies)
  return isShown(now) ? now : undefined
}

function recall(cookies: string): Promise<Principal | undefined> {
  const known = remembered.get(cookies)
  if (known !== undefined && known.until > Date.now()) return known.principal
  if (remembered.size >= 10_000) remembered.clear()
  const principal = findPrincipal(cookies)
  remembered.set(cookies, { principal, until: Date.now() + REVOCATION_MS })
  // Nobody is not remembered: the next moment may be after a sign-in, or a change of organisation.
  const forget = () => remembered.delete(cookies)
  principal.then((found) => found ?? forget(), forget)
  return principal
}

async function findPrincipal(cookies: string): Promise<Principal | undefined> {
  try {
    const headers = new Headers({ cookie: cookies })
    const found = await auth.api.getSession({ headers, query: { disableRefresh: true } })
    const organizationId = found?.session.activeOrganizationId
    if (!found || !organizationId) return undefined
    const { rowCount } = await database.query(
      'SELECT FROM member WHERE "userId" = $1 AND "organizationId" = $2',
      [found.user.id, organizationId],
    )
    return rowCount ? { tenantId: organizationId, userId: found.user.id } : undefined
  } catch (cause) {
    console.error('Sessions cannot be looked up:', cause)
    const message = 'The server cannot look up who you are. Try again in a moment.'
    throw new SessionDbError('unavailable', message, { cause })
  }
}
