import type { Principal } from '@org/session-db'
import { SessionDbError } from '@org/session-db'
import { ORGANIZATION_HEADER } from '#/lib/organization'
import { createAuth } from './auth-options'
import { required } from './database.server'
import { linksIn } from './links.server'

/** How long an ended session or membership may still be accepted, in ms. */
export const REVOCATION_MS = 5_000

const { auth, database } = createAuth({
  databaseUrl: required('DATABASE_URL'),
  secret: required('BETTER_AUTH_SECRET'),
  url: process.env.BETTER_AUTH_URL,
})

export { auth }

/** An organisation that the user is a member of. */
export interface Membership {
  readonly id: string
  readonly name: string
  readonly role: string
}

/** Returns the user's organisations in the order of joining. */
export async function membershipsOf(userId: string): Promise<Membership[]> {
  const { rows } = await database.query<Membership>(
    `SELECT o.id, o.name, m.role FROM member m JOIN organization o ON o.id = m."organizationId"
     WHERE m."userId" = $1 ORDER BY m."createdAt", o.id`,
    [userId],
  )
  return rows
}

/** Returns the names of an organisation's members by user id. */
export async function namesOfMembers(organizationId: string): Promise<Record<string, string>> {
  const { rows } = await database.query<{ id: string; name: string }>(
    `SELECT u.id, u.name FROM member m JOIN "user" u ON u.id = m."userId"
     WHERE m."organizationId" = $1`,
    [organizationId],
  )
  return Object.fromEntries(rows.map(({ id, name }) => [id, name]))
}

/** A team of an organisation. */
export interface Team {
  readonly id: string
  readonly name: string
}

/** Returns the teams of an organisation. */
export async function teamsOf(organizationId: string): Promise<Team[]> {
  const { rows } = await database.query<Team>(
    'SELECT id, name FROM team WHERE "organizationId" = $1 ORDER BY name',
    [organizationId],
  )
  return rows
}

interface Remembered {
  readonly principal: Promise<Principal | undefined>
  readonly until: number
}

const remembered = new Map<string, Remembered>()

/**
 * Authenticates a request for the library's `authenticate` options. It queries the database at most
 * once per session and `REVOCATION_MS`, however many streams and writes there are. A cookie cache
 * would also save queries, but a cookie can't be revoked, and one that is renewed with a shape's
 * response would be stored in the HTTP cache.
 *
 * Each page states its organisation. If the session was switched to another one in another tab, the
 * request is refused, so that nothing meant for one organisation ends up in another.
 *
 * @throws SessionDbError `unavailable` when the database can't be reached
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
  return remember(cookies, findSession(cookies))
}

type FoundSession = Awaited<ReturnType<typeof auth.api.getSession>>

/** Remembers the principal of a session that was just read, for the requests that follow a page. */
export function rememberSession(cookies: string | null, found: FoundSession): void {
  // Those requests report a failure.
  if (cookies !== null) remember(cookies, found).catch(() => undefined)
}

function remember(
  cookies: string,
  session: FoundSession | Promise<FoundSession>,
): Promise<Principal | undefined> {
  if (remembered.size >= 10_000) remembered.clear()
  const principal = principalOf(cookies, session)
  const entry = { principal, until: Date.now() + REVOCATION_MS }
  remembered.set(cookies, entry)
  // A missing session is not cached: the user may sign in or switch organisations the next moment.
  const forget = () => {
    if (remembered.get(cookies) === entry) remembered.delete(cookies)
  }
  principal.then((found) => found ?? forget(), forget)
  return principal
}

function findSession(cookies: string): Promise<FoundSession> {
  const headers = new Headers({ cookie: cookies })
  return auth.api.getSession({ headers, query: { disableRefresh: true } })
}

async function principalOf(
  cookies: string,
  session: FoundSession | Promise<FoundSession>,
): Promise<Principal | undefined> {
  try {
    const found = await session
    const organizationId = found?.session.activeOrganizationId
    if (!found || !organizationId) return undefined
    const { rows } = await database.query<{ teams: string[] }>(
      `SELECT ARRAY(
         SELECT 'team:' || t.id FROM "teamMember" m JOIN team t ON t.id = m."teamId"
         WHERE m."userId" = $1 AND t."organizationId" = $2
       ) AS teams
       FROM member WHERE "userId" = $1 AND "organizationId" = $2`,
      [found.user.id, organizationId],
    )
    const [member] = rows
    if (member === undefined) return undefined
    const groups = [...member.teams, ...(await linksIn(cookies))]
    return { tenantId: organizationId, userId: found.user.id, groups }
  } catch (cause) {
    console.error('Cannot read sessions:', cause)
    const message = 'The server cannot check your sign-in. Try again in a moment.'
    throw new SessionDbError('unavailable', message, { cause })
  }
}
