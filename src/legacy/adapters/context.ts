import type { JsonObject } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { SessionStore } from '../../server/store/index.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { FixedSessions, SessionIds } from '../fixed-sessions.ts'
import type { LegacyRows } from './legacy-rows.ts'

/** The methods of a store that the functions use: the types of two entries differ in others. */
type LegacyStore = Pick<SessionStore, 'write' | 'createSession' | 'uploadContent' | 'openContent'>

/** The caller of a request, or none. */
type Caller = Principal | null | undefined

export interface LegacyStoresOptions {
  /** The app's store, or in tests one from `createMemorySessionStore`. */
  readonly store: LegacyStore
  /**
   * The caller, or a function that returns it and is called by each of the functions, such as
   * `() => principalOf(getRequest())`. With it, an app creates the stores once, in a module. Without a caller they throw `unauthenticated`.
   */
  readonly principal: Principal | (() => Caller | Promise<Caller>)
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
  readonly principal: Principal
  readonly rows: LegacyRows
  readonly ids: SessionIds
  write(...mutations: JsonObject[]): Promise<WriteResult>
}
