import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { idField } from '../../schema/fields.ts'
import { MAX_ID_LENGTH, type Principal } from '../../schema/index.ts'

const principalSchema = z.object({ tenantId: idField, userId: idField })

/**
 * Refuses a principal that cannot be one, so that a missing tenant never becomes part of a statement.
 *
 * @throws SessionDbError `unauthenticated`
 */
export function checkPrincipal(principal: Principal): void {
  if (principalSchema.safeParse(principal).success) return
  throw new SessionDbError(
    'unauthenticated',
    `A principal has a tenantId and a userId, texts of 1 to ${MAX_ID_LENGTH} characters. ` +
      'Sign in first.',
  )
}
