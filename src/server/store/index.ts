export { sql } from 'kysely'
export type { WriteLimits } from '../../writes/limits.ts'
export {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
} from './create-session-store.ts'
export type { StoreDatabase } from './drivers.ts'
export {
  defaultPolicy,
  type MutationOf,
  type PolicyRule,
  type PolicyRules,
  type SessionPolicy,
} from './policy.ts'
