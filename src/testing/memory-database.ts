import type { RowText } from '../dev/protocol/messages.ts'
import {
  type ColumnDefinition,
  type ColumnMap,
  type ColumnType,
  replicatedTables as schemaTables,
} from '../schema/index.ts'
import {
  type AppRow,
  type AppTables,
  appKeyOf,
  appTableOf,
  completeAppRow,
  copyAppRows,
  emptyAppRows,
  primaryKeyOf,
} from './app-tables.ts'
import type { CommittedTransaction, RowSource, TableForm } from './row-source.ts'
import { copyTables, emptyTables, type TableRows, type Tables } from './tables.ts'
import {
  type AppRowChange,
  beginTransaction,
  type RowChange,
  type Transaction,
} from './transaction.ts'
import { rowText } from './wire-text.ts'

/** A committed transaction; `txid` is null if it changed nothing. */
export interface Committed<Result> {
  readonly result: Result
  readonly txid: number | null
}

type TableName = keyof TableRows

/** The library's tables in memory, and those of the app. */
export interface MemoryDatabase extends RowSource {
  readonly tables: Tables
  /** Returns the rows of an app's own table. */
  appRows(table: string): AppRow[]
  /** Inserts or replaces a row of the app. Returns it as stored. */
  putAppRow(table: string, row: AppRow): AppRow
  /** Deletes the row with the same key, if it exists. */
  deleteAppRow(table: string, row: AppRow): void
  /**
   * Runs a transaction, which is rolled back if `work` throws. A nested transaction joins the outer one.
   */
  transaction<Result>(work: (transaction: Transaction) => Result): Committed<Result>
  /** Removes all rows without publishing it. Transaction ids are never reused. */
  clear(): void
}

/** Where a new server's transaction ids start. */
const FIRST_TXID = 742
const FIRST_LSN = 26_740_000n
const LSN_STEP = 168n

const wireTypes: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  'text[]': 'text[]',
  uuid: 'uuid',
  boolean: 'bool',
  smallint: 'int2',
  integer: 'int4',
  bigint: 'int8',
  real: 'float4',
  'double precision': 'float8',
  numeric: 'numeric',
  date: 'date',
  jsonb: 'jsonb',
  'timestamp with time zone': 'timestamptz',
}

const collections = new Map<string, TableName>(
  (Object.keys(schemaTables) as TableName[]).map((name) => [schemaTables[name].name, name]),
)

const PRIMARY_KEYS: { readonly [Name in TableName]?: readonly string[] } = {
  chatMessageDeltas: ['tenantId', 'messageId', 'seq'],
  threadStates: ['tenantId', 'userId', 'threadId'],
  messageFeedback: ['tenantId', 'userId', 'messageId'],
}

/**
 * Creates an empty database.
 *
 * @param onCommit called with every transaction that changed something
 * @param appTables the app's own tables
 * @example
 * const database = createMemoryDatabase((transaction) => shapes.publish(transaction))
 */
export function createMemoryDatabase(
  onCommit: (transaction: CommittedTransaction) => void,
  appTables: AppTables = {},
): MemoryDatabase {
  let tables = emptyTables()
  let appRows = emptyAppRows(appTables)
  let nextTxid = FIRST_TXID
  let lsn = FIRST_LSN
  let current: Transaction | undefined
  const texts = new WeakMap<object, RowText>()

  function textOf(columns: ColumnMap, row: object): RowText {
    const known = texts.get(row)
    if (known) return known
    const text = rowText(columns, row)
    texts.set(row, text)
    return text
  }

  function tableChange(change: RowChange | AppRowChange) {
    const [table, columns] =
      'appTable' in change
        ? [change.appTable, appTableOf(appTables, change.appTable).columns]
        : [schemaTables[change.collection].name, schemaTables[change.collection].columns]
    return {
      table,
      old: change.old && textOf(columns, change.old),
      row: change.row && textOf(columns, change.row),
    }
  }

  function publish(changes: readonly (RowChange | AppRowChange)[], txid: number): void {
    lsn += LSN_STEP * BigInt(changes.length)
    onCommit({ txid, lsn, changes: changes.map(tableChange) })
  }

  function transaction<Result>(work: (transaction: Transaction) => Result): Committed<Result> {
    if (current) return { result: work(current), txid: null }
    const before = { tables, appRows }
    tables = copyTables(tables)
    appRows = copyAppRows(appRows)
    current = beginTransaction(tables, new Date())
    const { changes } = current
    let result: Result
    try {
      result = work(current)
    } catch (error) {
      tables = before.tables
      appRows = before.appRows
      throw error
    } finally {
      current = undefined
    }
    if (changes.length === 0) return { result, txid: null }
    const txid = nextTxid
    nextTxid += 1
    publish(changes, txid)
    return { result, txid }
  }

  function changeAppRow(name: string, given: AppRow, row: AppRow | undefined): void {
    transaction(({ noteAppChange }) => {
      const rows = appRows.get(name)
      const key = appKeyOf(appTableOf(appTables, name), given)
      const old = rows?.get(key)
      if (row) rows?.set(key, row)
      else rows?.delete(key)
      if (old || row) noteAppChange({ appTable: name, old, row })
    })
  }

  return {
    get tables() {
      return tables
    },
    transaction,
    appRows: (name) => [...(appRows.get(name)?.values() ?? [])],
    putAppRow(name, given) {
      const row = completeAppRow(name, appTableOf(appTables, name), given)
      changeAppRow(name, row, row)
      return row
    },
    deleteAppRow: (name, row) => changeAppRow(name, row, undefined),
    clear() {
      tables = emptyTables()
      appRows = emptyAppRows(appTables)
    },
    form(table) {
      const collection = collections.get(table)
      if (collection !== undefined) {
        const primaryKey = PRIMARY_KEYS[collection] ?? ['tenantId', 'id']
        return tableForm(table, schemaTables[collection].columns, primaryKey)
      }
      if (!Object.hasOwn(appTables, table)) return undefined
      const appTable = appTableOf(appTables, table)
      return tableForm(table, appTable.columns, primaryKeyOf(appTable))
    },
    *rowsOf(table) {
      const collection = collections.get(table)
      const columns = collection ? schemaTables[collection].columns : appTables[table]?.columns
      if (columns === undefined) return
      const rows = collection ? tables[collection] : appRows.get(table)
      for (const row of rows?.values() ?? []) yield textOf(columns, row)
    },
    lastLsn: () => lsn,
    nextTxid: () => nextTxid,
  }
}

function tableForm(table: string, columns: ColumnMap, primaryKey: readonly string[]): TableForm {
  const parts = table.split('.')
  return {
    relation: [parts.length > 1 ? (parts[0] ?? 'public') : 'public', parts.at(-1) ?? table],
    keyColumns: primaryKey.map((property) => columns[property]?.name ?? property),
    columns: Object.values<ColumnDefinition>(columns).map((column) => ({
      name: column.name,
      type: wireTypes[column.type],
      notNull: !column.nullable,
    })),
  }
}
