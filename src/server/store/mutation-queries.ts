import { type RawBuilder, sql } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import { groupRuns, type Ruling } from './group-runs.ts'
import { isForRun, type MessageRun, messageRunStatement } from './message-run.ts'
import type {
  BatchClaim,
  MutationInput,
  MutationPlan,
  MutationSlot,
  PlanContext,
} from './mutation-plan.ts'
import { type NewMessage, newMessageStatement } from './new-message.ts'
import { permissionFor } from './permission.ts'
import { planAppend } from './plan-append.ts'
import { planDelete } from './plan-delete.ts'
import { planInsert } from './plan-insert.ts'
import { planUpdate } from './plan-update.ts'
import type { SessionPolicy } from './policy.ts'
import type { Query } from './query.ts'
import { batchStatement, type MutationKind, stepStatement } from './statements.ts'
import {
  compileFragment,
  createTemplate,
  type Fragment,
  type Slot,
  type Template,
} from './template.ts'

/** Makes the queries of mutations: of one as a whole batch, or of several as steps of a larger one. */
export interface MutationQueries<User extends Principal> {
  batch(principal: User, claim: BatchClaim, mutation: Mutation): Query
  step(principal: User, claim: BatchClaim, mutation: Mutation): Query
  /** A new message as a whole batch, which does nothing and says nothing when it may not be made. */
  newMessage(principal: User, claim: BatchClaim, mutation: NewMessage): Query
  /** The steps of a batch, in order. New messages next to each other in a thread are one. */
  steps(principal: User, claim: BatchClaim, mutations: readonly Mutation[]): Step[]
}

/** A part of a batch that is one query. */
export type Step =
  | { readonly query: Query; readonly mutation: Mutation; readonly run?: undefined }
  | { readonly query: Query; readonly run: MessageRun }

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
  const templates = new Map<string, Template<never>>()

  const visibleTo = (principal: User) => compileFragment(policy.see(principal))

  function rulingOn(principal: User, mutation: Mutation, visible = visibleTo(principal)): Ruling {
    const see = isInSession(mutation) ? visible : NOTHING
    const permission = permissionFor(policy, principal, mutation)
    return { see, rule: compileFragment(permission, see.parameters.length) }
  }

  /** The query of a statement that is made of a ruling and of what is in `kind`. */
  function bind<Input>(
    kind: readonly unknown[],
    { see, rule }: Ruling,
    input: Input,
    build: (
      slot: Slot<Input>,
      ruling: Pick<PlanContext, 'see' | 'permitted'>,
    ) => RawBuilder<unknown>,
  ): Query {
    const parameters = [...see.parameters, ...rule.parameters]
    const key = JSON.stringify([...kind, see.sql, rule.sql])
    const ruling = { see: sql.raw(see.sql), permitted: sql.raw(rule.sql) }
    const template = (templates.get(key) ??
      keep(key, (isKept) =>
        createTemplate<Input>((slot) => build(slot, ruling), { given: parameters.length, isKept }),
      )) as Template<Input>
    return template.bind(input, parameters)
  }

  function keep<Input>(key: string, make: (isKept: boolean) => Template<Input>): Template<Input> {
    const isKept = templates.size < MAX_TEMPLATES
    const template = make(isKept)
    if (isKept) templates.set(key, template)
    return template
  }

  function query(
    name: string,
    join: Join,
    ruling: Ruling,
    input: { readonly claim: BatchClaim; readonly mutation: Mutation },
  ): Query {
    const { mutation } = input
    const properties = changedProperties(mutation)
    const kind = [name, mutation.collection, mutation.type, properties]
    return bind<MutationInput>(kind, ruling, input, (slot, policySql) =>
      join(mutation, planOf({ slot, ...policySql }, mutation, properties), slot),
    )
  }

  return {
    batch: (principal, claim, mutation) =>
      query('batch', batchStatement, rulingOn(principal, mutation), { claim, mutation }),
    step: (principal, claim, mutation) =>
      query('step', stepStatement, rulingOn(principal, mutation), { claim, mutation }),
    newMessage: (principal, claim, mutation) =>
      bind<MutationInput>(
        ['new message'],
        rulingOn(principal, mutation),
        { claim, mutation },
        (slot, policySql) => newMessageStatement({ slot, ...policySql }),
      ),
    steps(principal, claim, mutations) {
      const visible = visibleTo(principal)
      const ruled = mutations.map((mutation) => ({
        mutation,
        ...rulingOn(principal, mutation, visible),
      }))
      return groupRuns(ruled).map(([first, ...more]) => {
        const { mutation } = first
        if (more.length === 0 || !isForRun(mutation)) {
          const step = query('step', stepStatement, first, { claim, mutation })
          return { query: step, mutation }
        }
        const run: MessageRun = [mutation, ...more.map((each) => each.mutation).filter(isForRun)]
        return { run, query: bind(['run'], first, { claim, run }, messageRunStatement) }
      })
    },
  }
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
