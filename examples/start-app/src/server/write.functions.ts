import { parseWriteBatch, SessionDbError, type WriteBatchInput } from '@org/session-db'
import { createMiddleware, createServerFn } from '@tanstack/react-start'
import { getRequest } from '@tanstack/react-start/server'
import { store } from './session-db.server'
import { authenticate } from './sign-in-cookie.server'
import { typedFailures } from './typed-failures'

const requirePrincipal = createMiddleware({ type: 'function' }).server(async ({ next }) => {
  const principal = authenticate(getRequest())
  if (principal === undefined)
    throw new SessionDbError('unauthenticated', 'Sign in, then try again.')
  return next({ context: { principal } })
})

/** The one way this app writes: an authenticated, validated batch, applied as one transaction. */
export const writeBatch = createServerFn({ method: 'POST' })
  .middleware([typedFailures, requirePrincipal])
  .validator((batch: WriteBatchInput) => parseWriteBatch(batch))
  .handler(({ data: batch, context }) => store.write(context.principal, batch))
