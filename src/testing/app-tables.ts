import { SessionDbError } from '../errors.ts'
import type { ColumnDefinition, ColumnMap } from '../schema/index.ts'

/** A row of an app's own table, by property. */
export type AppRow = Readonly<Record<string, unknown>>

/** An app's own table, for its shapes and their conditions. */
export interface AppTable {
  /** All columns that shapes send or conditions use. */
  readonly columns: ColumnMap
  /** The properties of the primary key. Default `['tenantId', 'id']`. */
  readonly primaryKey?: readonly string[]
  /** The initial rows. Omitted properties are null. */
  readonly rows?: readonly AppRow[]
}

/** An app's own tables, by their names in the database. */
export type AppTables = Readonly<Record<string, AppTable>>

/** Rows of the app's own tables, by table and key. Rows are immutable. */
export type AppRows = ReadonlyMap<string, Map<string, AppRow>>

export function emptyAppRows(tables: AppTables): AppRows {
  return new Map(Object.keys(tables).map((name) => [name, new Map()]))
}

/** Copies the tables; the rows are shared. */
export function copyAppRows(rows: AppRows): AppRows {
  return new Map([...rows].map(([name, table]) => [name, new Map(table)]))
}

export function primaryKeyOf({ primaryKey = ['tenantId', 'id'] }: AppTable): readonly string[] {
  return primaryKey
}

/**
 * Returns the table of this name.
 *
 * @throws SessionDbError `invalid` if the mock has no such table
 */
export function appTableOf(tables: AppTables, name: string): AppTable {
  const table = Object.hasOwn(tables, name) ? tables[name] : undefined
  if (table) return table
  const message = `There is no table '${name}'. Give it to createShapeMock in appTables.`
  throw new SessionDbError('invalid', message)
}

/** Returns the map key of a row. */
export function appKeyOf(table: AppTable, row: AppRow): string {
  return JSON.stringify(primaryKeyOf(table).map((property) => row[property]))
}

/**
 * Completes a row with nulls.
 *
 * @throws SessionDbError `invalid` for a property without a column, or a null in a NOT NULL column
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
