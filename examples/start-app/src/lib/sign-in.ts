import { currentUser } from '#/server/auth.functions'
import type { AppUser } from './app-user'

/** For how long a page believes that nothing has changed about who is signed in, in ms. */
const KNOWN_FOR_MS = 60_000

let known: { readonly user: Promise<AppUser | null>; readonly until: number } | undefined

/** Who is signed in. Asks the server once a minute, not with every click: a 401 tells sooner. */
export function knownUser(): Promise<AppUser | null> {
  // On the server, two requests may be two users.
  if (typeof window === 'undefined') return currentUser()
  if (known === undefined || known.until < Date.now()) {
    known = { user: currentUser(), until: Date.now() + KNOWN_FOR_MS }
    known.user.catch(() => {
      known = undefined
    })
  }
  return known.user
}

/**
 * What a page does when the server answers 401: it asks who is signed in. When that is still this
 * user, whatever was refused is asked once more. Else the page is left: for the sign-in, or for what
 * the session is of now.
 */
export async function checkSignIn(user: AppUser): Promise<void> {
  const now = await currentUser().catch(() => user)
  if (now?.id === user.id && now.tenantId === user.tenantId) return
  const { pathname, search } = window.location
  const next = encodeURIComponent(pathname + search)
  window.location.assign(now === null ? `/sign-in?ended=1&next=${next}` : '/')
  // Until then nothing is asked again, and nothing fails.
  await new Promise(() => {})
}
