import type { RawBuilder } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import type { SessionPolicy } from './policy.ts'

/** What a plan is made for. */
export interface PlanContext<User extends Principal = Principal> {
  readonly principal: User
  readonly policy: SessionPolicy<User>
}

/** One mutation as two pieces of SQL, which the statement that runs them joins. */
export interface MutationPlan {
  readonly mutation: Mutation
  /**
   * Selects what the decision is made on, locking the row that is written or appended to. No row
   * when there is none that the principal may see. Its columns:
   * `permitted` boolean; `current_version` integer, null where the row has none; `changes` boolean,
   * whether there is anything to write; `result_id` and `result_version`, the row after the write;
   * and whatever else `write` needs.
   */
  readonly target: RawBuilder<unknown>
  /** The INSERT, UPDATE or DELETE. It writes when `target` and `admitted` each have a row. */
  readonly write: RawBuilder<unknown>
}

export type UpdateMutation = Extract<Mutation, { type: 'update' }>
export type DeleteMutation = Extract<Mutation, { type: 'delete' }>
export type AppendMutation = Extract<Mutation, { type: 'append' }>
