import type { AppUser } from './app-user'

// A page shows one organisation. Another one needs a new page.

/** Adds the page's organisation to every request to the server. */
export const ORGANIZATION_HEADER = 'x-organization'

let shown: AppUser | undefined

/** Called in the browser with the signed-in user, and again when names may have changed. */
export function showOrganization(user: AppUser): void {
  // A server renders pages of many users at a time.
  if (typeof window !== 'undefined') shown = user
}

/** Returns the user of the page; undefined before one is shown. */
export const shownUser = (): AppUser | undefined => shown

/** Returns the name of a member of the user's organisation. */
export function memberName(user: AppUser | undefined, id: string): string {
  return user?.members[id] ?? 'Somebody new'
}

/** Returns the name of a member of the page's organisation. */
export function userName(id: string): string {
  return memberName(shown, id)
}

/** For every request of this page. */
export function organizationHeaders(): Record<string, string> {
  return shown === undefined ? {} : { [ORGANIZATION_HEADER]: shown.tenantId }
}

/** `fetch` with these headers. */
export const fetchForOrganization: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : {}))
  for (const [name, value] of Object.entries(organizationHeaders())) headers.set(name, value)
  return fetch(input, { ...init, headers })
}
