export { sql } from 'kysely'
export type { WriteLimits } from '../../writes/limits.ts'
export type { Limiter, RequestLimit } from '../http/limiter.ts'
export type { RequestLimiters, RequestLimits } from '../http/request-limits.ts'
export {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
} from './create-session-store.ts'
export type { StoreDatabase } from './drivers.ts'
export type { ReadRowsRequest } from './read-rows.ts'
