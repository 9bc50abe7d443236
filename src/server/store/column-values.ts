import { type RawBuilder, sql } from 'kysely'
import type { ColumnDefinition, ColumnMap } from '../../schema/index.ts'

/** Values by property name, as validated. */
export type PropertyValues = Readonly<Record<string, unknown>>

/** Column names and, in the same order, the SQL of their values. */
export interface ColumnValues {
  readonly names: RawBuilder<unknown>[]
  readonly values: RawBuilder<unknown>[]
}

/**
 * Every column that an insert may set, so that all inserts into a table share one statement text:
 * what is left out becomes the column's default.
 */
export function insertValues(columns: ColumnMap, given: PropertyValues): ColumnValues {
  const writable = Object.entries(columns).filter(([, { writable }]) => writable !== 'never')
  return {
    names: writable.map(([, definition]) => columnName(definition)),
    values: writable.map(([property, definition]) => {
      const value = columnValue(definition, given[property])
      if (definition.default === null) return value
      return sql`coalesce(${value}, ${sql.raw(definition.default)})`
    }),
  }
}

/** The columns that an update names. A property that is undefined is not named. */
export function updateValues(columns: ColumnMap, changes: PropertyValues): ColumnValues {
  const named = Object.entries(columns).filter(([property]) => changes[property] !== undefined)
  return {
    names: named.map(([, definition]) => columnName(definition)),
    values: named.map(([property, definition]) => columnValue(definition, changes[property])),
  }
}

function columnName(definition: ColumnDefinition): RawBuilder<unknown> {
  return sql.id(definition.name)
}

function columnValue({ type }: ColumnDefinition, value: unknown): RawBuilder<unknown> {
  return sql`${toParameter(type, value)}::${sql.raw(type)}`
}

function toParameter(type: ColumnDefinition['type'], value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (type === 'jsonb') return JSON.stringify(value)
  return value instanceof Date ? value.toISOString() : value
}
