import { currentUser } from '#/server/auth.functions'
import type { AppUser } from './app-user'
import { shownUser } from './organization'

/** How long a page reuses the sign-in state, in ms. */
const KNOWN_FOR_MS = 60_000

let known: { readonly user: Promise<AppUser | null>; readonly until: number } | undefined

/**
 * Returns the signed-in user. Asks the server once a minute, not with every click; a 401 reveals
 * changes sooner.
 */
export function knownUser(): Promise<AppUser | null> {
  // On the server, two requests can belong to two users.
  if (typeof window === 'undefined') return currentUser()
  if (known === undefined || known.until < Date.now()) {
    const user = currentUser().catch((error) => {
      known = undefined
      // The server can't be reached: the open page goes on with what it has.
      const shown = shownUser()
      if (shown === undefined) throw error
      return shown
    })
    known = { user, until: Date.now() + KNOWN_FOR_MS }
  }
  return known.user
}

/**
 * Handles a 401: asks who is signed in. For the same user, the refused request is sent once more.
 * Otherwise the page is left for the sign-in or for the session's new organisation.
 */
export async function checkSignIn(user: AppUser): Promise<void> {
  const now = await currentUser().catch(() => user)
  if (now?.id === user.id && now.tenantId === user.tenantId) return
  const { pathname, search } = window.location
  const next = encodeURIComponent(pathname + search)
  window.location.assign(now === null ? `/sign-in?ended=1&next=${next}` : '/')
  // Never resolves, so that nothing is retried and nothing fails until the page has gone.
  await new Promise(() => {})
}
