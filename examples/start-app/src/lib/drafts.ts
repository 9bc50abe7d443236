import type { AppUser } from './app-user'

const PREFIX = 'draft:'

/** Where in `sessionStorage` a draft is kept: people who share a browser do not see each other's. */
export function draftKey(user: AppUser, sessionId: string, mode: string): string {
  return `${PREFIX}${user.tenantId}/${user.id}:${sessionId}:${mode}`
}

/**
 * Forgets the drafts of this tab: its user has signed out. When a session only came to its end, they
 * wait for the user to sign in again.
 */
export function forgetDrafts(): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
  }
}
