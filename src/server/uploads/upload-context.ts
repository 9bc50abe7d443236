import type { Pool } from 'pg'
import type { Principal } from '../../schema/principal.ts'
import type { SessionPolicy } from '../store/policy.ts'
import type { Preparer } from '../store/prepare.ts'
import type { ContentStores } from './content/content-stores.ts'

/** What uploads may be, and how they are dealt with. */
export interface UploadLimits {
  /** Largest content, in bytes; 512 MiB unless given. */
  readonly maxBytes: number
  /** Contents up to this many bytes become a timeline before the upload is answered; 4 MiB unless given. */
  readonly deriveAtOnceBytes: number
}

export const defaultUploadLimits: UploadLimits = {
  maxBytes: 512 * 1024 * 1024,
  deriveAtOnceBytes: 4 * 1024 * 1024,
}

/** What every step of an upload needs. */
export interface UploadContext<User extends Principal = Principal> {
  readonly pool: Pool
  readonly policy: SessionPolicy<User>
  readonly preparer: Preparer
  readonly contents: ContentStores
  readonly limits: UploadLimits
  /** Hears of failures whose cause the user is not told. */
  readonly onError: (error: unknown) => void
}
