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
export type { ForkedThread, ThreadFork } from './fork-thread.ts'
export type { ReadRowsRequest } from './read-rows.ts'
export type {
  FeedbackPage,
  FeedbackRequest,
  SessionList,
  SessionListRequest,
  ThreadList,
  ThreadListRequest,
  ThreadPage,
  ThreadRequest,
} from './reading.ts'
export { type RouteStoresOptions, routeStores } from './route-stores.ts'
export type { TitleSuggestion } from './suggest-title.ts'
export type { MessageUsage, ModelUsage, UsageKey, UsageRequest, UsageSum } from './usage.ts'
