import type { AppUser } from './app-user'

// A page is of one organisation: to show another one is to load a new page.

/** Says which organisation a page shows, in everything that it asks the server for. */
export const ORGANIZATION_HEADER = 'x-organization'

let shown: AppUser | undefined

/** Called in the browser with whoever is signed in, and again when the names may have changed. */
export function showOrganization(user: AppUser): void {
  shown = user
}

/** The name of a member of this organisation. */
export function userName(id: string): string {
  return shown?.members[id] ?? 'Somebody new'
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
