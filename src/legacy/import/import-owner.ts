import { SessionDbError } from '../../errors.ts'
import { idField } from '../../schema/fields.ts'
import { problemIn, validate } from '../../schema/validate.ts'

/** Whose the imported rows are. */
export interface ImportOwner {
  readonly tenantId: string
  readonly userId: string
  readonly visibility: 'private' | 'tenant'
}

/** @throws SessionDbError `invalid` for a tenant or user that is no id. */
export function checkedOwner({
  tenantId,
  userId,
  visibility = 'private',
}: Pick<ImportOwner, 'tenantId' | 'userId'> & Partial<ImportOwner>): ImportOwner {
  for (const [name, value] of Object.entries({ tenantId, userId })) {
    const { error } = validate(idField, value)
    if (error !== undefined) throw new SessionDbError('invalid', problemIn(error, name))
  }
  return { tenantId, userId, visibility }
}
