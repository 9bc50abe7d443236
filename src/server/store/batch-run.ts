import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import type { Driver } from './drivers/driver.ts'
import type { BatchClaim } from './mutation-plan.ts'
import type { MutationQueries } from './mutation-queries.ts'

/** One batch: what is to be done, for whom, and with what. */
export interface BatchRun<User extends Principal> {
  readonly driver: Driver
  readonly queries: MutationQueries<User>
  /** The app's own principal, as its policy wants it. */
  readonly principal: User
  readonly claim: BatchClaim
  readonly mutations: readonly Mutation[]
}
