import { SessionDbError } from '../../errors.ts'
import { idField } from '../../schema/fields.ts'
import { problemIn, validate } from '../../schema/validate.ts'

/** The owner of the imported rows. */
export interface ImportOwner {
  readonly tenantId: string
  readonly userId: string
  readonly visibility: 'private' | 'tenant'
}

/** @throws SessionDbError `invalid` when `tenantId` or `userId` is not a valid id. */
export function checkedOwner({
  tenantId,
  userId,
  visibility = 'private',
}: Pick<ImportOwner, 'tenantId' | 'userId'> & Partial<ImportOwner>): ImportOwner {
  checkIds({ tenantId, userId })
  return { tenantId, userId, visibility }
}

/** @throws SessionDbError `invalid`, naming the option, for the first that is not a valid id. */
export function checkIds(ids: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(ids)) {
    const { error } = value === undefined ? {} : validate(idField, value)
    if (error !== undefined) throw new SessionDbError('invalid', problemIn(error, name))
  }
}

/** The progress of an import or a restore. */
export interface ImportProgress {
  readonly stage: 'reading' | 'placing' | 'writing' | 'comparing' | 'done'
  /** The file being read, or whose records are being written. */
  readonly file?: string
  /** Bytes while reading, records while writing. */
  readonly done: number
  readonly total: number
}
