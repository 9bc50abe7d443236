import { createServerFn } from '@tanstack/react-start'
import { store } from './session-db.server'
import { signedIn } from './signed-in'

/** Reads the sessions that the page shows first, for its HTML. */
export const newestSessions = createServerFn()
  .middleware([signedIn])
  .handler(({ context }) =>
    store.readRows(context.principal, {
      shape: 'sessions',
      orderBy: 'createdAt',
      descending: true,
      limit: 50,
    }),
  )
