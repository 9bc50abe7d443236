import type { RowText } from '../protocol/row-key.ts'

/** A column as the replication stream announces it. */
export interface StreamColumn {
  readonly name: string
  readonly typeOid: number
}

/** A table as the replication stream announces it; a new object whenever it may have changed. */
export interface StreamRelation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly StreamColumn[]
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

/** A committed transaction, as far as it touched published tables. */
export interface Transaction {
  /** The low 32 bits of the transaction id. */
  readonly xid: number
  /** Where its commit stands in the WAL. */
  readonly lsn: bigint
  readonly changes: readonly RowChange[]
  readonly truncated: readonly StreamRelation[]
}
