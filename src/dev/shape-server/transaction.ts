import type { RowText } from '../protocol/messages.ts'
import { allPlans, type QueryPlan } from './query-plan.ts'
import type { Truth } from './where/condition.ts'

/** A table as the replication stream announces it: a new object each time it is announced. */
export interface StreamRelation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly typeOid: number }[]
}

/** One row change of a transaction. */
export interface RowChange {
  readonly relation: StreamRelation
  /** The row before; undefined for inserts. */
  readonly old: RowText | undefined
  /** The row after; undefined for deletes. */
  readonly row: RowText | undefined
  /** Twice its index among the transaction's changes. */
  readonly position: number
}

/** A committed transaction, reduced to its changes of published tables. */
export interface Transaction {
  /** The low 32 bits of the transaction id. */
  readonly xid: number
  /** The position of its commit in the WAL. */
  readonly lsn: bigint
  readonly changes: readonly RowChange[]
  /** Tables whose shapes cannot follow this transaction, with the reason. */
  readonly lost: readonly { readonly relation: StreamRelation; readonly reason: string }[]
}

/** A transaction with its changes grouped by table. Changes of a partition also count for its ancestors. */
export interface RoutedTransaction {
  readonly xid: number
  readonly lsn: bigint
  readonly tables: ReadonlySet<number>
  changesOf(oid: number): readonly RowChange[]
  /** Returns Postgres's result of an SQL condition for a row of this transaction. */
  verdict(row: RowText, sql: string): Truth
}

/** Returns whether a transaction changed a table that a plan or one of its subqueries reads. */
export function touches(transaction: RoutedTransaction, plan: QueryPlan): boolean {
  return allPlans(plan).some(({ table }) => transaction.tables.has(table.oid))
}
