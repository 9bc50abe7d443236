import type { JsonObject } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { SessionStore } from '../../server/store/index.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { FixedSessions, SessionIds } from '../fixed-sessions.ts'
import type { LegacyRows } from './legacy-rows.ts'

export interface LegacyStoresOptions {
  /** The app's store, or in tests one from `createMemorySessionStore`. */
  readonly store: SessionStore
  /** The caller: create the stores for each request. */
  readonly principal: Principal
  /** How session ids in the app's code are translated, such as `{ 'session-default': 'user' }`. */
  readonly fixedSessions?: FixedSessions
  /**
   * Directories whose files `ensureSessionUploadForFile` and `refreshSessionUploadFromSource` may read.
   * None by default: both refuse every file then.
   */
  readonly sourceDirectories?: readonly string[]
  /** The `url` of an upload; `/api/uploads/<id>` by default. */
  readonly uploadUrl?: (id: string) => string
}

/** The options, and what the stores have in common. */
export interface LegacyContext extends LegacyStoresOptions {
  readonly rows: LegacyRows
  readonly ids: SessionIds
  write(...mutations: JsonObject[]): Promise<WriteResult>
}
