import type { Pool } from 'pg'
import type { Principal } from '../../schema/principal.ts'
import type { SessionStore } from '../../server/store/index.ts'

export interface LegacyStoresOptions {
  readonly store: SessionStore
  /** The database of the store, for reading. */
  readonly database: Pool
  /** Who is asking: make the stores anew for every request. */
  readonly principal: Principal
}
