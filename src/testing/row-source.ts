import type { Relation, RowText } from '../dev/protocol/messages.ts'

/** A table as shapes see it. */
export interface TableForm {
  readonly relation: Relation
  readonly keyColumns: readonly string[]
  /** In table order; `type` is Postgres' short name, such as `int4`. */
  readonly columns: readonly ColumnForm[]
}

export interface ColumnForm {
  readonly name: string
  readonly type: string
  readonly notNull: boolean
}

/** One change of one row: `old` is missing in an insert, `row` in a delete. */
export interface TableChange {
  readonly table: string
  readonly old: RowText | undefined
  readonly row: RowText | undefined
}

/** A transaction, when it has been committed. */
export interface CommittedTransaction {
  /** 32 bits, as messages carry it. */
  readonly txid: number
  readonly lsn: bigint
  /** In the order in which they were made. */
  readonly changes: readonly TableChange[]
}

/** Rows in memory, as the wire has them. */
export interface RowSource {
  /** Undefined when there is no such table. */
  form(table: string): TableForm | undefined
  rowsOf(table: string): Iterable<RowText>
  /** LSN of the last transaction. */
  lastLsn(): bigint
  /** The id that the next transaction will have: a snapshot sees all before it. */
  nextTxid(): number
}
