import { SessionDbError } from '@org/session-db'
import { createMiddleware } from '@tanstack/react-start'
import { getRequest } from '@tanstack/react-start/server'
import { organizationHeaders } from '#/lib/organization'
import { authenticate } from './auth.server'
import { typedFailures } from './typed-failures'

/** Middleware for server functions of signed-in users: sets `context.principal` or answers 401. */
export const signedIn = createMiddleware({ type: 'function' })
  .middleware([typedFailures])
  .client(({ next }) => next({ headers: organizationHeaders() }))
  .server(async ({ next }) => {
    const principal = await authenticate(getRequest())
    if (principal === undefined) {
      throw new SessionDbError('unauthenticated', 'Sign in, then try again.')
    }
    return next({ context: { principal } })
  })
