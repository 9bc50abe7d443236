import { type RawBuilder, sql } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import type {
  BatchClaim,
  MutationInput,
  MutationPlan,
  MutationSlot,
  PlanContext,
} from './mutation-plan.ts'
import { permissionFor } from './permission.ts'
import { planAppend } from './plan-append.ts'
import { planDelete } from './plan-delete.ts'
import { planInsert } from './plan-insert.ts'
import { planUpdate } from './plan-update.ts'
import type { SessionPolicy } from './policy.ts'
import type { Query } from './query.ts'
import { batchStatement, type MutationKind, stepStatement } from './statements.ts'
import { compileFragment, createTemplate, type Fragment, type Template } from './template.ts'

/** Makes the query of a mutation: as a whole batch, or as one step of a larger one. */
export interface MutationQueries<User extends Principal> {
  batch(principal: User, claim: BatchClaim, mutation: Mutation): Query
  step(principal: User, claim: BatchClaim, mutation: Mutation): Query
}

// Each connection keeps a plan per name. Updates name a different set of columns each, and a policy may
// say something else for each user: texts beyond this many are put together anew and not kept.
const MAX_TEMPLATES = 200

const NOTHING: Fragment = { sql: 'true', parameters: [] }

type Join = (kind: MutationKind, plan: MutationPlan, slot: MutationSlot) => RawBuilder<unknown>

/**
 * Keeps the statements of a policy. What differs between two mutations of a kind are values and what
 * the policy says; only the latter is compiled each time.
 */
export function createMutationQueries<User extends Principal>(
  policy: SessionPolicy<User>,
): MutationQueries<User> {
  const templates = new Map<string, Template<MutationInput>>()

  const queryOf =
    (name: string, join: Join) =>
    (principal: User, claim: BatchClaim, mutation: Mutation): Query => {
      const properties = changedProperties(mutation)
      const see = isInSession(mutation) ? compileFragment(policy.see(principal)) : NOTHING
      const given = see.parameters.length
      const rule = compileFragment(permissionFor(policy, principal, mutation), given)
      const { collection, type } = mutation
      const key = JSON.stringify([name, collection, type, properties, see.sql, rule.sql])
      const parameters = [...see.parameters, ...rule.parameters]
      const template =
        templates.get(key) ??
        keep(key, (isKept) =>
          createTemplate<MutationInput>(
            (slot) => {
              const policySql = { see: sql.raw(see.sql), permitted: sql.raw(rule.sql) }
              return join(mutation, planOf({ slot, ...policySql }, mutation, properties), slot)
            },
            { given: parameters.length, isKept },
          ),
        )
      return template.bind({ claim, mutation }, parameters)
    }

  const keep = (key: string, make: (isKept: boolean) => Template<MutationInput>) => {
    const isKept = templates.size < MAX_TEMPLATES
    const template = make(isKept)
    if (isKept) templates.set(key, template)
    return template
  }

  return { batch: queryOf('batch', batchStatement), step: queryOf('step', stepStatement) }
}

/** A new session is in none yet: there is nothing to see. */
function isInSession({ collection, type }: MutationKind): boolean {
  return collection !== 'sessions' || type !== 'insert'
}

function changedProperties(mutation: Mutation): string[] {
  if (mutation.type !== 'update') return []
  const named = Object.entries(mutation.changes).filter(([, value]) => value !== undefined)
  return named.map(([property]) => property)
}

function planOf(
  context: PlanContext,
  { collection, type }: MutationKind,
  properties: readonly string[],
): MutationPlan {
  switch (type) {
    case 'insert':
      return planInsert(context, collection)
    case 'update':
      return planUpdate(context, collection, properties)
    case 'delete':
      return planDelete(context, collection)
    case 'append':
      return planAppend(context)
  }
}
