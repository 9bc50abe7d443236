import type { RawBuilder } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import type { Slot, Source } from './template.ts'

/** What identifies a batch in `applied_batches`. */
export interface BatchClaim {
  readonly principal: Principal
  readonly batchId: string
  readonly requestHash: string
}

export type AppendMutation = Extract<Mutation, { type: 'append' }>

/** What the values of a mutation's statement are taken from. */
export interface MutationInput {
  readonly claim: BatchClaim
  readonly mutation: Mutation
}

export type MutationSlot = Slot<MutationInput>

/** What a plan is made of: never values, which come when the statement is sent. */
export interface PlanContext {
  readonly slot: MutationSlot
  /** The policy's conditions for this principal and this mutation. */
  readonly see: RawBuilder<unknown>
  readonly permitted: RawBuilder<unknown>
}

/** One kind of mutation as pieces of SQL, which the statement that runs them joins. */
export interface MutationPlan {
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
  /** What else is written then. */
  readonly alsoWrite?: RawBuilder<unknown>
}

/**
 * The principal's tenant and user, and the row that a mutation is about, as parameters. Each is there
 * only once it is read: Postgres refuses a parameter that no statement uses.
 */
export function commonSlots(slot: MutationSlot) {
  return {
    get tenantId() {
      return slot('tenant', ({ claim }) => claim.principal.tenantId)
    },
    get userId() {
      return slot('user', ({ claim }) => claim.principal.userId)
    },
    get rowId() {
      return slot('id', ({ mutation }) =>
        mutation.type === 'insert' ? mutation.value.id : mutation.id,
      )
    },
  }
}

/** Reads what an insert or update says of one property. */
export function propertyOf(property: string): Source<MutationInput> {
  return ({ mutation }) => {
    if (mutation.type === 'delete' || mutation.type === 'append') return undefined
    const given = mutation.type === 'insert' ? mutation.value : mutation.changes
    return (given as Readonly<Record<string, unknown>>)[property]
  }
}
