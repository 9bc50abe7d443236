import { unauthenticated } from '../../writes/errors.ts'
import { PRINCIPAL_HEADER } from '../protocol.ts'

const SIGNED_IN_AS_ANOTHER =
  'This browser is now signed in as another user. Reload the page to continue as that user.'

/** The principal that a page's collections belong to. */
export interface PrincipalPin {
  /** The server's digest of principal and rights; undefined before the first response. */
  current(): string | undefined
  /** The digest's user part. It stays the same when only the user's rights change. */
  user(): string | undefined
  /**
   * Checks a response. The first one sets the principal; one for another user becomes a 401, so that
   * its rows don't reach these collections.
   */
  check(response: Response): Response
  /** Clears the principal, for collections that are empty and may get another user. */
  reset(): void
}

/**
 * Creates the pin. With cookie authentication another tab can sign in as another user at any time,
 * and this page's next request is then that user's.
 *
 * @param onRightsChanged called when a response shows that the same user's rights have changed
 */
export function createPrincipalPin(onRightsChanged: () => void = () => {}): PrincipalPin {
  let pinned: string | undefined
  return {
    current: () => pinned,
    user: () => userOf(pinned),
    check(response) {
      const principal = response.headers.get(PRINCIPAL_HEADER)
      if (principal === null) return response
      if (pinned === undefined || userOf(principal) === userOf(pinned)) {
        // Changed rights change the shapes' rows; the engine then answers must-refetch.
        const hasChanged = pinned !== undefined && pinned !== principal
        pinned = principal
        if (hasChanged) onRightsChanged()
        return response
      }
      void response.body?.cancel()
      return unauthenticated(SIGNED_IN_AS_ANOTHER)
    },
    reset() {
      pinned = undefined
    },
  }
}

/** A digest is `USER` or `USER.RIGHTS`. */
function userOf(digest: string | undefined): string | undefined {
  return digest?.split('.', 1)[0]
}
