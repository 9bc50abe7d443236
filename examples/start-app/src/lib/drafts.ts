import type { AppUser } from './app-user'

const PREFIX = 'draft:'

/**
 * Storage key of a draft in `sessionStorage`. It contains the user, because people share browsers, and the
 * thread, because what was meant for one must not be sent to another.
 */
export function draftKey(user: AppUser, sessionId: string, thread: string): string {
  return `${PREFIX}${user.tenantId}/${user.id}:${sessionId}:${thread}`
}

/**
 * Deletes the drafts of this tab at sign-out. After an expired session they are kept for the next
 * sign-in.
 */
export function forgetDrafts(): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
  }
}
