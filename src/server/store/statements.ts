import { type RawBuilder, sql } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { AppliedMutation, Mutation } from '../../writes/index.ts'
import type { WriteLimits } from '../../writes/limits.ts'
import { type Batch, batchValues } from './applied-batches.ts'
import type { MutationOutcome } from './errors.ts'
import { planSet } from './own-rows.ts'
import {
  changedProperties,
  isNewMessage,
  type NewMessage,
  newMessageStatement,
  type Plan,
  planOf,
  TXID,
  valuesOf,
} from './plans.ts'
import type { SessionPolicy } from './policy.ts'
import {
  bindStatement,
  buildStatement,
  compileFragment,
  type Fragment,
  MAX_PREPARED,
  type Parameter,
  type Query,
  type Statement,
  type Values,
} from './prepared-statements.ts'

/** Makes the SQL statements of mutations. */
export interface Statements<P extends Principal> {
  /** A batch of one mutation as one statement; its row is a `BatchRow`. */
  batch(batch: Batch<P>, mutation: Mutation): Query
  /** A batch of one new message, faster: no row when nothing was written (`newMessageStatement`). */
  newMessage(batch: Batch<P>, mutation: NewMessage): Query
  /** The statements of a batch of several, in order. */
  steps(batch: Batch<P>): Step[]
}

/** One statement within a batch's transaction: a mutation, or new messages in a row of one thread. */
export interface Step {
  readonly query: Query
  readonly mutations: readonly [Mutation, ...Mutation[]]
}

/** `result` is the batch's result as JSON; null when the batch was not applied now. */
export interface BatchRow extends MutationOutcome {
  readonly result: string | null
}

/** One row per mutation of the step. A refused step fails instead (`refusedOutcome`). */
export interface StepRow {
  readonly id: string
  readonly version: number | null
  /** Null when nothing changed. */
  readonly txid: string | null
}

/** The policy's conditions on a mutation, compiled. Their parameters come first in a statement. */
interface Ruling {
  readonly see: Fragment
  readonly permitted: Fragment
}

// A new session has no parent that would have to be visible.
const SEE_ALWAYS = compileFragment(sql`true`)
const NOBODY = sql<boolean>`false`

const FORMS = { batch: batchStatement, step: stepStatement } as const

/**
 * Creates the statements of a policy. Their texts depend on the kind of mutation, on the properties
 * that an update sets and on the policy's SQL, and are kept: building one takes longer than sending it.
 */
export function createStatements<P extends Principal>(
  policy: SessionPolicy<P>,
  limits: WriteLimits,
): Statements<P> {
  const kept = new Map<string, Statement>()

  /** The rule for a mutation, and the roles that its batch is limited to. */
  function permissionFor(
    { principal, messageRoles: roles }: Batch<P>,
    mutation: Mutation,
  ): RawBuilder<boolean> {
    // A principal that sees a session may have own rows about it.
    if (mutation.type === 'set') return sql`true`
    const rule = policy.permits(principal, mutation)
    if (roles === undefined || mutation.collection !== 'chatMessages') return rule
    if (mutation.type === 'delete') return rule
    if (mutation.type === 'insert') return roles.includes(mutation.value.role) ? rule : NOBODY
    return roles.length === 0 ? NOBODY : sql`(${rule}) AND message.role IN (${sql.join(roles)})`
  }

  function rulingOn(batch: Batch<P>, mutation: Mutation, visible?: Fragment): Ruling {
    const { principal } = batch
    const isNewSession = mutation.collection === 'sessions' && mutation.type === 'insert'
    const see = isNewSession ? SEE_ALWAYS : (visible ?? compileFragment(policy.see(principal)))
    const permitted = compileFragment(permissionFor(batch, mutation), see.parameters.length)
    return { see, permitted }
  }

  function bind(
    kind: readonly unknown[],
    { see, permitted }: Ruling,
    values: Values,
    build: (context: { parameter: Parameter; see: string; permitted: string }) => string,
  ): Query {
    const given = [...see.parameters, ...permitted.parameters]
    const key = JSON.stringify([...kind, see.sql, permitted.sql])
    let statement = kept.get(key)
    if (statement === undefined) {
      const prepare = kept.size < MAX_PREPARED
      statement = buildStatement(
        (parameter) => build({ parameter, see: see.sql, permitted: permitted.sql }),
        { given: given.length, prepare },
      )
      if (prepare) kept.set(key, statement)
    }
    return bindStatement(statement, values, given)
  }

  /** The statement of a mutation, or of a run of new messages that starts with it. */
  function planned(
    form: keyof typeof FORMS,
    batch: Batch<P>,
    ruling: Ruling,
    [mutation, ...more]: Step['mutations'],
  ): Query {
    const properties = changedProperties(mutation)
    const kind = [form, mutation.collection, mutation.type, properties]
    const run = [mutation, ...more].filter(isNewMessage)
    const values = { ...batchValues(batch), ...limits, ...valuesOf(mutation, run) }
    return bind(kind, ruling, values, (context) =>
      FORMS[form](
        mutation.type === 'set'
          ? planSet(context, mutation.collection, properties)
          : planOf(context, mutation, properties),
        mutation,
        context.parameter,
      ),
    )
  }

  return {
    batch(batch, mutation) {
      return planned('batch', batch, rulingOn(batch, mutation), [mutation])
    },
    newMessage(batch, mutation) {
      const result = JSON.stringify({ batchId: batch.id, mutations: [appliedMessage(mutation)] })
      const values = { ...batchValues(batch), ...valuesOf(mutation), result }
      const ruling = rulingOn(batch, mutation)
      return bind(['new message'], ruling, values, newMessageStatement)
    },
    steps(batch) {
      const { principal, mutations } = batch
      const visible = compileFragment(policy.see(principal))
      const ruled = mutations.map((mutation) => ({
        mutation,
        ruling: rulingOn(batch, mutation, visible),
      }))
      return groupRuns(ruled).map(([first, ...more]) => {
        const step = [first.mutation, ...more.map(({ mutation }) => mutation)] as const
        return { query: planned('step', batch, first.ruling, step), mutations: step }
      })
    },
  }
}

/** Returns the result of a new message that was stored. */
export function appliedMessage({ collection, type, value }: NewMessage): AppliedMutation {
  return { collection, type, id: value.id, version: 1 }
}

interface Ruled {
  readonly mutation: Mutation
  readonly ruling: Ruling
}

/** Groups neighbouring new messages of one thread; everything else stands alone. */
function groupRuns(ruled: readonly Ruled[]): [Ruled, ...Ruled[]][] {
  const groups: [Ruled, ...Ruled[]][] = []
  for (const each of ruled) {
    const last = groups.at(-1)
    if (last !== undefined && joins(last, each)) last.push(each)
    else groups.push([each])
  }
  return groups
}

function joins(run: readonly [Ruled, ...Ruled[]], next: Ruled): boolean {
  const [first] = run
  if (!isNewMessage(first.mutation) || !isNewMessage(next.mutation)) return false
  const { threadId, clientMessageId = null } = next.mutation.value
  return (
    first.mutation.value.threadId === threadId &&
    followsLast(run, next.mutation) &&
    isSame(first.ruling.see, next.ruling.see) &&
    isSame(first.ruling.permitted, next.ruling.permitted) &&
    // The second message of an id has to find the first one stored.
    (clientMessageId === null ||
      run.every(
        ({ mutation }) =>
          isNewMessage(mutation) && mutation.value.clientMessageId !== clientMessageId,
      ))
  )
}

/** Returns whether the message follows the run's last one, by default or by its `parentId`. */
function followsLast(run: readonly Ruled[], { value: { parentId } }: NewMessage): boolean {
  const last = run.at(-1)?.mutation
  if (parentId === undefined) return true
  if (last === undefined || !isNewMessage(last)) return false
  // One with a `clientMessageId` may be stored already, under another id.
  return last.value.id === parentId && last.value.clientMessageId == null
}

function isSame(one: Fragment, other: Fragment): boolean {
  return (
    one.sql === other.sql &&
    one.parameters.length === other.parameters.length &&
    one.parameters.every((value, index) => value === other.parameters[index])
  )
}

/**
 * A batch of one mutation as one statement: it decides, claims the batch id, stores the result, writes
 * and returns the result. The claim comes after the decision, so that a refused batch claims nothing,
 * and before the write, which doesn't happen if the same batch was applied in the meantime.
 */
function batchStatement(plan: Plan, { collection, type }: Mutation, parameter: Parameter): string {
  return `
    WITH ${plan.target},
    admitted AS (
      INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, txid, result)
      SELECT ${parameter('tenant')}::text, ${parameter('batch')}::text, ${parameter('user')}::text,
        ${parameter('hash')}::text, own.txid,
        jsonb_build_object('batchId', ${parameter('batch')}::text, 'txid', own.txid, 'mutations',
          jsonb_build_array(jsonb_build_object('collection', '${collection}', 'type', '${type}',
            'id', target.result_id, 'version', target.result_version)
          || CASE WHEN target.changes THEN '{}' ELSE '{"unchanged": true}' END::jsonb))
      FROM target, LATERAL (
        SELECT CASE WHEN target.changes THEN ${TXID} END AS txid
      ) own
      WHERE ${plan.admitted}
      ON CONFLICT DO NOTHING
      RETURNING result::text
    )${writes(plan)}
    SELECT target.permitted, target.current_version AS current, ${plan.problem ?? 'NULL::text'} AS problem,
      admitted.result
    FROM (VALUES (1)) AS one
    LEFT JOIN target ON true
    LEFT JOIN admitted ON true`
}

/** A step of a batch of several, which runs inside the batch's transaction and aborts it if refused. */
function stepStatement(plan: Plan): string {
  return `
    WITH ${plan.target},
    admitted AS MATERIALIZED (SELECT FROM target WHERE ${plan.admitted} LIMIT 1)${writes(plan)}
    SELECT CASE WHEN NOT EXISTS (SELECT FROM admitted)
        THEN session_db_refuse(target.permitted, target.current_version, ${plan.problem ?? 'NULL::text'})
        END AS refused,
      target.result_id AS id, target.result_version AS version,
      CASE WHEN target.changes THEN ${TXID}::text END AS txid
    FROM (VALUES (1)) AS one
    LEFT JOIN target ON true`
}

function writes({ write, alsoWrite }: Plan): string {
  const written = `, written AS (${write})`
  return alsoWrite === undefined ? written : `${written}, also_written AS (${alsoWrite})`
}
