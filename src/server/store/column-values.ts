import { type RawBuilder, sql } from 'kysely'
import type { ColumnDefinition, ColumnMap } from '../../schema/index.ts'
import { type MutationSlot, propertyOf } from './mutation-plan.ts'

/** Column names and, in the same order, the SQL of their values. */
export interface ColumnValues {
  readonly names: RawBuilder<unknown>[]
  readonly values: RawBuilder<unknown>[]
}

/**
 * Every column that an insert may set, so that all inserts into a table share one statement text:
 * what is left out becomes the column's default.
 */
export function insertValues(columns: ColumnMap, slot: MutationSlot): ColumnValues {
  const writable = Object.entries(columns).filter(([, { writable }]) => writable !== 'never')
  return {
    names: writable.map(([, definition]) => columnName(definition)),
    values: writable.map(([property, definition]) => {
      const value = columnValue(property, definition, slot)
      if (definition.default === null) return value
      return sql`coalesce(${value}, ${sql.raw(definition.default)})`
    }),
  }
}

/** The columns that an update names. A property that is undefined is not named. */
export function updateValues(
  columns: ColumnMap,
  properties: readonly string[],
  slot: MutationSlot,
): ColumnValues {
  const named = Object.entries(columns).filter(([property]) => properties.includes(property))
  return {
    names: named.map(([, definition]) => columnName(definition)),
    values: named.map(([property, definition]) => columnValue(property, definition, slot)),
  }
}

function columnName(definition: ColumnDefinition): RawBuilder<unknown> {
  return sql.id(definition.name)
}

function columnValue(
  property: string,
  { type }: ColumnDefinition,
  slot: MutationSlot,
): RawBuilder<unknown> {
  const read = propertyOf(property)
  // As text: of a value for a jsonb parameter some drivers make JSON once more.
  if (type === 'jsonb') return sql`${slot(property, (input) => asJson(read(input)))}::text::jsonb`
  return sql`${slot(property, (input) => asScalar(read(input)))}::${sql.raw(type)}`
}

function asJson(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}

function asScalar(value: unknown): unknown {
  return value instanceof Date ? value.toISOString() : (value ?? null)
}
