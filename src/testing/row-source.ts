import type { Relation, RowText } from '../dev/protocol/messages.ts'

/** A table's structure. */
export interface TableForm {
  readonly relation: Relation
  readonly keyColumns: readonly string[]
  /** In table order; `type` is Postgres' internal name, such as `int4`. */
  readonly columns: readonly ColumnForm[]
}

export interface ColumnForm {
  readonly name: string
  readonly type: string
  readonly notNull: boolean
}

/** A change of one row: `old` is missing in an insert, `row` in a delete. */
export interface TableChange {
  readonly table: string
  readonly old: RowText | undefined
  readonly row: RowText | undefined
}

/** A committed transaction. */
export interface CommittedTransaction {
  /** The 32-bit id that messages carry. */
  readonly txid: number
  readonly lsn: bigint
  /** In the order they were made. */
  readonly changes: readonly TableChange[]
}

/** Rows in memory in their wire form. */
export interface RowSource {
  /** Returns undefined if there is no such table. */
  form(table: string): TableForm | undefined
  rowsOf(table: string): Iterable<RowText>
  /** The LSN of the last transaction. */
  lastLsn(): bigint
  /** The id of the next transaction; a snapshot includes all transactions before it. */
  nextTxid(): number
}
