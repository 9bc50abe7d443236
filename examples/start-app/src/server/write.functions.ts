import { parseWriteBatch, type WriteBatchInput } from '@org/session-db'
import { createServerFn } from '@tanstack/react-start'
import { store } from './session-db.server'
import { signedIn } from './signed-in'

/** The only way this app writes: an authenticated, validated batch, applied as one transaction. */
export const writeBatch = createServerFn({ method: 'POST' })
  .middleware([signedIn])
  .validator((batch: WriteBatchInput) => parseWriteBatch(batch))
  // Answers of the assistant are written by the server alone.
  .handler(({ data: batch, context }) =>
    store.write(context.principal, batch, { messageRoles: ['user'] }),
  )
