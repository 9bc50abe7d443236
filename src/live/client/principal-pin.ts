import { unauthenticated } from '../../writes/unauthenticated.ts'
import { PRINCIPAL_HEADER } from '../protocol.ts'

const SIGNED_IN_AS_ANOTHER = 'This browser is signed in as somebody else now. Reload the page.'

/** Whom the server takes this page's requests to come from. */
export interface PrincipalPin {
  /** The server's digest of the principal and its rights; undefined until it has said so. */
  current(): string | undefined
  /** The part of it that says who it is: other rights do not make somebody else of a user. */
  user(): string | undefined
  /**
   * Takes in an answer. The first says who this page's user is; an answer to somebody else becomes
   * a 401, so that no row of it reaches these collections.
   */
  check(response: Response): Response
  /** Forgets the principal: the collections are empty and may be somebody else's next. */
  reset(): void
}

/**
 * Creates the memory of whom these collections belong to. With sign-in by cookie, another tab can
 * sign in as somebody else at any time, and this page's next request is that person's.
 */
export function createPrincipalPin(): PrincipalPin {
  let pinned: string | undefined
  return {
    current: () => pinned,
    user: () => userOf(pinned),
    check(response) {
      const principal = response.headers.get(PRINCIPAL_HEADER)
      if (principal === null) return response
      if (pinned === undefined || userOf(principal) === userOf(pinned)) {
        // With other rights shapes have other rows: the engine says so, and the stream starts again.
        pinned = principal
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

/** Digests are `USER` or `USER.RIGHTS`. */
function userOf(digest: string | undefined): string | undefined {
  return digest?.split('.', 1)[0]
}
