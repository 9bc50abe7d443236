export {
  createSessionStore,
  type SessionStore,
  type SessionStoreOptions,
} from './create-session-store.ts'
export { defaultLimits, type WriteLimits } from './limits.ts'
export {
  defaultPolicy,
  type MutationOf,
  type PolicyRule,
  type PolicyRules,
  type SessionPolicy,
} from './policy.ts'
