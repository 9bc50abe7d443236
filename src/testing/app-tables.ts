import { SessionDbError } from '../errors.ts'
import type { ColumnDefinition, ColumnMap } from '../schema/index.ts'

/** A row of a table of the app's own, by property. */
export type AppRow = Readonly<Record<string, unknown>>

/** A table of the app's own, as its shapes and their conditions see it. */
export interface AppTable {
  /** All columns that shapes send or conditions look at. */
  readonly columns: ColumnMap
  /** The properties of its primary key. Default `['tenantId', 'id']`. */
  readonly primaryKey?: readonly string[]
  /** The rows there are at first. What is left out is null. */
  readonly rows?: readonly AppRow[]
}

/** Tables of the app's own, by their names in the database. */
export type AppTables = Readonly<Record<string, AppTable>>

/** Rows of the app's own tables, by table and key. Rows are never changed, only replaced. */
export type AppRows = ReadonlyMap<string, Map<string, AppRow>>

export function emptyAppRows(tables: AppTables): AppRows {
  return new Map(Object.keys(tables).map((name) => [name, new Map()]))
}

/** The same rows in tables of their own. */
export function copyAppRows(rows: AppRows): AppRows {
  return new Map([...rows].map(([name, table]) => [name, new Map(table)]))
}

export function primaryKeyOf({ primaryKey = ['tenantId', 'id'] }: AppTable): readonly string[] {
  return primaryKey
}

/**
 * The table of this name.
 *
 * @throws SessionDbError `invalid` when the mock was given none
 */
export function appTableOf(tables: AppTables, name: string): AppTable {
  const table = Object.hasOwn(tables, name) ? tables[name] : undefined
  if (table) return table
  const message = `There is no table '${name}'. Give it to createShapeMock in appTables.`
  throw new SessionDbError('invalid', message)
}

/** What tells two rows of a table apart. */
export function appKeyOf(table: AppTable, row: AppRow): string {
  return JSON.stringify(primaryKeyOf(table).map((property) => row[property]))
}

/**
 * A row with null where nothing is said.
 *
 * @throws SessionDbError `invalid` for what the table has no column for, or a null it does not take
 */
export function completeAppRow(name: string, table: AppTable, given: AppRow): AppRow {
  const unknown = Object.keys(given).find((property) => !Object.hasOwn(table.columns, property))
  if (unknown !== undefined) {
    throw new SessionDbError('invalid', `${name} ${unknown}: there is no such column`)
  }
  return Object.fromEntries(
    Object.entries<ColumnDefinition>(table.columns).map(([property, { nullable }]) => {
      const value = given[property] ?? null
      if (value !== null || nullable) return [property, value]
      throw new SessionDbError('invalid', `${name} ${property}: must not be null`)
    }),
  )
}
