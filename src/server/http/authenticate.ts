import { idField, MAX_ID_LENGTH } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { granteeField } from '../../schema/session-grant.ts'
import { SessionDbError } from '../../writes/errors.ts'

/**
 * Returns the principal of a request from the app's own authentication, or null for none.
 *
 * @example
 * const authenticate: Authenticate = async (request) => {
 *   const user = await verifyCookie(request.headers.get('cookie'))
 *   return user && { tenantId: user.tenant, userId: user.id }
 * }
 */
export type Authenticate<P extends Principal = Principal> = (
  request: Request,
) => P | null | undefined | Promise<P | null | undefined>

/**
 * Authenticates a request. The app's principal may have further properties for the app's own shapes
 * and policy.
 *
 * @param onError Called with an exception of `authenticate`, which the client sees only as 401.
 * @throws SessionDbError `unauthenticated`, or the `SessionDbError` that `authenticate` threw.
 */
export async function requirePrincipal<P extends Principal>(
  authenticate: Authenticate<P>,
  request: Request,
  onError: (error: unknown) => void,
): Promise<P> {
  const principal = await callAuthenticate(authenticate, request, onError)
  if (principal && isPrincipal(principal)) return principal
  if (principal) {
    onError(
      new TypeError('authenticate returned a principal without a valid tenantId, userId or groups'),
    )
  }
  throw new SessionDbError('unauthenticated', 'Sign in, then try again.')
}

async function callAuthenticate<P extends Principal>(
  authenticate: Authenticate<P>,
  request: Request,
  onError: (error: unknown) => void,
): Promise<P | null | undefined> {
  try {
    return await authenticate(request)
  } catch (error) {
    if (error instanceof SessionDbError) throw error
    onError(error)
    return null
  }
}

/**
 * Refuses a malformed principal, so that a missing tenant never becomes part of a statement.
 *
 * @throws SessionDbError `unauthenticated`
 */
export function checkPrincipal(principal: Principal): void {
  if (isPrincipal(principal)) return
  throw new SessionDbError(
    'unauthenticated',
    `A principal needs a tenantId and a userId of 1 to ${MAX_ID_LENGTH} characters. Sign in first.`,
  )
}

function isPrincipal(principal: Principal | null | undefined): boolean {
  if (!idField.safeParse(principal?.tenantId).success) return false
  if (!idField.safeParse(principal?.userId).success) return false
  const groups = principal?.groups ?? []
  return Array.isArray(groups) && groups.every((group) => granteeField.safeParse(group).success)
}
