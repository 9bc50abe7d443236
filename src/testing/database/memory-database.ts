import {
  type ColumnDefinition,
  type ColumnType,
  replicatedTables as schemaTables,
} from '../../schema/index.ts'
import type { RowText } from '../../shape-log/row-key.ts'
import type { CommittedTransaction, RowSource, TableForm } from '../memory/row-source.ts'
import { rowText } from '../memory/wire-text.ts'
import { copyTables, emptyTables, type TableRows, type Tables } from './tables.ts'
import { beginTransaction, type RowChange, type Transaction } from './transaction.ts'

/** What a transaction was, when it has been committed; `txid` is null when it changed nothing. */
export interface Committed<Result> {
  readonly result: Result
  readonly txid: number | null
}

type TableName = keyof TableRows

/** The tables in memory. */
export interface MemoryDatabase extends RowSource {
  readonly tables: Tables
  /**
   * Runs one transaction: all of it, or nothing when `work` throws. Within another it is part of that.
   */
  transaction<Result>(work: (transaction: Transaction) => Result): Committed<Result>
  /** Forgets all rows, telling nobody. Ids of transactions are never given again. */
  clear(): void
}

/** As far as a real server is when somebody starts to use it. */
const FIRST_TXID = 742
const FIRST_LSN = 26_740_000n
const LSN_STEP = 168n

const wireTypes: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  integer: 'int4',
  bigint: 'int8',
  jsonb: 'jsonb',
  'timestamp with time zone': 'timestamptz',
}

const collections = new Map<string, TableName>(
  (Object.keys(schemaTables) as TableName[]).map((name) => [schemaTables[name].name, name]),
)

/**
 * Creates an empty database.
 *
 * @param onCommit - told of every transaction that changed something.
 * @example
 * const database = createMemoryDatabase((transaction) => shapes.publish(transaction))
 */
export function createMemoryDatabase(
  onCommit: (transaction: CommittedTransaction) => void,
): MemoryDatabase {
  let tables = emptyTables()
  let nextTxid = FIRST_TXID
  let lsn = FIRST_LSN
  let current: Transaction | undefined
  const texts = new WeakMap<object, RowText>()

  function textOf<Name extends TableName>(collection: Name, row: TableRows[Name]): RowText {
    const known = texts.get(row)
    if (known) return known
    const text = rowText(schemaTables[collection].columns, row)
    texts.set(row, text)
    return text
  }

  function publish(changes: readonly RowChange[], txid: number): void {
    lsn += LSN_STEP * BigInt(changes.length)
    onCommit({
      txid,
      lsn,
      changes: changes.map(({ collection, old, row }) => ({
        table: schemaTables[collection].name,
        old: old && textOf(collection, old),
        row: row && textOf(collection, row),
      })),
    })
  }

  return {
    get tables() {
      return tables
    },
    transaction(work) {
      if (current) return { result: work(current), txid: null }
      const before = tables
      tables = copyTables(before)
      current = beginTransaction(tables, new Date())
      const { changes } = current
      let result: ReturnType<typeof work>
      try {
        result = work(current)
      } catch (error) {
        tables = before
        throw error
      } finally {
        current = undefined
      }
      if (changes.length === 0) return { result, txid: null }
      const txid = nextTxid
      nextTxid += 1
      publish(changes, txid)
      return { result, txid }
    },
    clear() {
      tables = emptyTables()
    },
    form(table) {
      const collection = collections.get(table)
      return collection === undefined ? undefined : tableForm(collection)
    },
    *rowsOf(table) {
      const collection = collections.get(table)
      if (collection === undefined) return
      for (const row of tables[collection].values()) yield textOf(collection, row)
    },
    lastLsn: () => lsn,
    nextTxid: () => nextTxid,
  }
}

function tableForm(collection: TableName): TableForm {
  const { name, columns } = schemaTables[collection]
  return {
    relation: ['public', name],
    keyColumns:
      collection === 'chatMessageDeltas' ? ['tenant_id', 'message_id', 'seq'] : ['tenant_id', 'id'],
    columns: Object.values<ColumnDefinition>(columns).map((column) => ({
      name: column.name,
      type: wireTypes[column.type],
      notNull: !column.nullable,
    })),
  }
}
