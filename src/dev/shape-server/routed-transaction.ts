import type { RowText } from '../protocol/row-key.ts'
import { allPlans, type QueryPlan } from './query-plan.ts'
import type { RowChange } from './transaction.ts'
import type { Truth } from './where/condition.ts'

/** A transaction with its changes sorted by table, partitions under their roots, too. */
export interface RoutedTransaction {
  readonly xid: number
  readonly lsn: bigint
  readonly tables: ReadonlySet<number>
  changesOf(oid: number): readonly RowChange[]
  /** What Postgres said of a row. */
  verdict(row: RowText, sql: string): Truth
}

/** Whether a transaction changed a table that a plan reads, at any depth. */
export function touches(transaction: RoutedTransaction, plan: QueryPlan): boolean {
  return allPlans(plan).some(({ table }) => transaction.tables.has(table.oid))
}
