import { fromWriteFailure, parseWriteBatch, type WriteBatchInput } from '@org/session-db'
import { runWrite } from '@org/session-db/server'
import { createServerFn } from '@tanstack/react-start'
import { store } from './session-db.server'
import { signedIn } from './signed-in'

/** The only way this app writes: an authenticated, validated batch, applied as one transaction. */
export const writeBatch = createServerFn({ method: 'POST' })
  .middleware([signedIn])
  .validator((batch: WriteBatchInput) => parseWriteBatch(batch))
  // Limits the user's writes, and their messages to the role `user`.
  .handler(async ({ data: batch, context }) => {
    const outcome = await runWrite(store, context.principal, batch)
    if ('error' in outcome) throw fromWriteFailure(outcome)
    return outcome
  })
