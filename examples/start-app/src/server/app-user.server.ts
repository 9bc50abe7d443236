import { setResponseHeader } from '@tanstack/react-start/server'
import type { AppUser } from '#/lib/app-user'
import {
  auth,
  type Membership,
  membershipsOf,
  namesOfMembers,
  rememberSession,
  teamsOf,
} from './auth.server'

/**
 * Returns the user of a session for the pages. Every page load calls this, which keeps a session in
 * use alive. A session without an organisation gets the user's first one, or a new one.
 */
export async function findAppUser(requestHeaders: Headers): Promise<AppUser | null> {
  const { response: found, headers } = await auth.api.getSession({
    headers: requestHeaders,
    returnHeaders: true,
  })
  const cookies = headers.getSetCookie()
  if (cookies.length > 0) setResponseHeader('set-cookie', cookies)
  if (found === null) return null
  const { user, session } = found
  // The page's rows need the principal next.
  rememberSession(requestHeaders.get('cookie'), found)
  const current = session.activeOrganizationId
  // A page waits for each round trip to the database, so these queries run side by side.
  const [joined, contents] = await Promise.all([
    membershipsOf(user.id),
    current ? contentsOf(current) : undefined,
  ])
  const organizations = joined.length > 0 ? joined : await createOwn(user)
  const active =
    organizations.find(({ id }) => id === current) ??
    (await enterFirst(organizations, requestHeaders))
  return {
    id: user.id,
    name: user.name,
    email: user.email,
    tenantId: active.id,
    tenantName: active.name,
    organizations: organizations.map(({ id, name }) => ({ id, name })),
    ...(contents && active.id === current ? contents : await contentsOf(active.id)),
  }
}

async function contentsOf(organizationId: string) {
  const [members, teams] = await Promise.all([
    namesOfMembers(organizationId),
    teamsOf(organizationId),
  ])
  return { members, teams }
}

async function enterFirst([first]: Membership[], headers: Headers): Promise<Membership> {
  if (first === undefined) throw new Error('A user has no organisation.')
  await auth.api.setActiveOrganization({ headers, body: { organizationId: first.id } })
  return first
}

/** If two tabs do this concurrently, one finds the slug taken: the organisation exists then. */
async function createOwn(user: { readonly id: string; readonly name: string }) {
  const body = { name: `${user.name}’s organisation`, slug: `of-${user.id}`, userId: user.id }
  await auth.api.createOrganization({ body }).catch((error: unknown) => {
    console.error('No organisation for a new user:', error)
  })
  return membershipsOf(user.id)
}
