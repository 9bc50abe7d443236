import { type RawBuilder, sql } from 'kysely'
import { isSqlCondition, type SessionAccess, seesSession, writeRule } from '../../access/access.ts'
import { arrayLiteral, type Condition } from '../../access/condition.ts'
import { withinTenant } from '../../access/within-tenant.ts'
import type { CollectionName, Principal } from '../../schema/index.ts'
import type { Mutation, RowMutation } from '../../writes/batch.ts'

/** The mutations of one collection and one type. */
export type MutationOf<Collection extends CollectionName, Type extends Mutation['type']> = Extract<
  Mutation,
  { collection: Collection; type: Type }
>

/**
 * The access rule as SQL conditions, which become part of the reading and writing statements. They use
 * the row aliases `session`, `thread`, `message` and `event`; the statements add the tenant.
 *
 * A writing statement locks the session, and the thread or message when the rule uses it, until the
 * transaction ends. So no write takes effect after a revoke was answered. A rule that reads tables of
 * the app gets the same guarantee with FOR SHARE in its subquery.
 */
export interface SessionPolicy<P extends Principal = Principal> {
  see(principal: P): RawBuilder<boolean>
  /** The condition for sessions in which the principal reads everyone's usage and feedback: as for their grants. */
  oversees(principal: P): RawBuilder<boolean>
  /** The condition for a mutation. Appending counts as updating. */
  permits(principal: P, mutation: RowMutation): RawBuilder<boolean>
}

/** Creates the SQL form of an access rule. */
export function createPolicy<P extends Principal>(access: SessionAccess<P>): SessionPolicy<P> {
  return {
    see: (principal) => conditionSql(seesSession(access, principal), principal),
    oversees: (principal) => conditionSql(access.seeGrants(principal), principal),
    permits(principal, mutation) {
      const rule = writeRule(access, principal, mutation)
      return isSqlCondition(rule) ? (rule as RawBuilder<boolean>) : conditionSql(rule, principal)
    },
  }
}

/** Prints a condition on `session`; a column with a prefix is of the row with that alias. */
function conditionSql(condition: Condition, { tenantId }: Principal): RawBuilder<boolean> {
  return print(withinTenant(condition, tenantId, null), 'session')
}

function print(node: Condition, alias: string | undefined): RawBuilder<boolean> {
  switch (node.kind) {
    case 'and':
    case 'or': {
      const overlap = overlapOf(node)
      if (overlap !== undefined) {
        // One parameter, so that the statement is the same for any number of groups.
        const literal = arrayLiteral(overlap.values)
        return sql`${columnOf(overlap.column, alias)} && ${literal}::text::text[]`
      }
      const parts = node.conditions.map((part) => print(part, alias))
      if (parts.length === 0) return node.kind === 'and' ? sql`true` : sql`false`
      return sql`(${sql.join(parts, node.kind === 'and' ? sql` AND ` : sql` OR `)})`
    }
    case 'not':
      return sql`NOT (${print(node.condition, alias)})`
    default:
      return printLeaf(node, columnOf(node.column, alias))
  }
}

function printLeaf(
  node: Exclude<Condition, { kind: 'and' | 'or' | 'not' }>,
  column: RawBuilder<unknown>,
): RawBuilder<boolean> {
  switch (node.kind) {
    case 'eq':
      return sql`${column} = ${node.value}`
    case 'compare':
      return sql`${column} ${sql.raw(node.operator)} ${node.value}`
    case 'isNull':
      return sql`${column} IS NULL`
    case 'contains':
      return sql`${column} @> ${arrayLiteral([node.value])}::text::text[]`
    case 'inList':
      return node.values.length === 0 ? sql`false` : sql`${column} IN (${sql.join(node.values)})`
    case 'inSubquery': {
      const { select, table, where } = node
      return sql`${column} IN (SELECT ${sql.ref(select)} FROM ${sql.table(table)}
        WHERE ${print(where, undefined)})`
    }
  }
}

/** Recognises `contains` of several values by one column. */
function overlapOf({ kind, conditions }: Extract<Condition, { kind: 'and' | 'or' }>) {
  const [first] = conditions
  if (kind !== 'or' || first?.kind !== 'contains') return undefined
  const { column } = first
  const values = conditions.flatMap((part) =>
    part.kind === 'contains' && part.column === column ? [part.value] : [],
  )
  return values.length === conditions.length ? { column, values } : undefined
}

function columnOf(name: string, alias: string | undefined): RawBuilder<unknown> {
  return sql.ref(alias === undefined || name.includes('.') ? name : `${alias}.${name}`)
}
