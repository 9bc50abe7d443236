import { idField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'

/**
 * The app's authentication: reads cookies or headers and returns the principal, or nothing.
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
 * Authenticates a request. Anything but an object with valid `tenantId` and `userId` is refused;
 * further fields of the principal are for the app's own shapes.
 *
 * @param onError called with exceptions of the app's authentication; clients don't see them.
 * @throws SessionDbError `unauthenticated`, or the `SessionDbError` that `authenticate` threw.
 */
export async function requirePrincipal<P extends Principal>(
  authenticate: Authenticate<P>,
  request: Request,
  onError: (error: unknown) => void,
): Promise<P> {
  const principal = await callAuthenticate(authenticate, request, onError)
  const tenantId = idField.safeParse(principal?.tenantId)
  const userId = idField.safeParse(principal?.userId)
  if (principal && tenantId.success && userId.success) return principal
  if (principal)
    onError(new TypeError('authenticate returned a principal without tenantId or userId'))
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
