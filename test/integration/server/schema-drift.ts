import * as z from 'zod/mini'
import type { ColumnDefinition, ColumnMap } from '../../../src/schema/index.ts'
import type { DatabaseColumn } from './database-columns.ts'

/** The definitions of one entity in `src/schema`. */
export interface EntityDescription {
  readonly columns: ColumnMap
  readonly row: z.ZodMiniObject
  readonly insert: z.ZodMiniObject
  readonly update: z.ZodMiniObject
}

/** Lists all differences between the TypeScript schema and a table in the database. */
export function findDrift(
  entity: EntityDescription,
  database: readonly DatabaseColumn[],
): string[] {
  return [
    ...columnDrift(entity.columns, database),
    ...rowDrift(entity),
    ...insertDrift(entity),
    ...updateDrift(entity),
  ]
}

function columnDrift(columns: ColumnMap, database: readonly DatabaseColumn[]): string[] {
  const described = Object.values(columns)
  const names = described.map((definition) => definition.name)
  const inDatabase = new Map(database.map((column) => [column.name, column]))
  return [
    ...sameSet('columns.ts', names, 'the database', [...inDatabase.keys()]),
    ...described.flatMap((definition) => {
      const column = inDatabase.get(definition.name)
      return column === undefined ? [] : differences(definition, column)
    }),
  ]
}

function differences(definition: ColumnDefinition, column: DatabaseColumn): string[] {
  return (['type', 'nullable', 'default'] as const).flatMap((property) =>
    definition[property] === column[property]
      ? []
      : [`${column.name}: ${property} is ${definition[property]}, not ${column[property]}`],
  )
}

function rowDrift({ columns, row }: EntityDescription): string[] {
  return [
    ...sameSet('the row schema', Object.keys(row.shape), 'columns.ts', Object.keys(columns)),
    ...Object.entries(columns).flatMap(([property, definition]) => {
      const field = row.shape[property]
      if (field === undefined) return []
      const problems = typeDrift(property, field, definition)
      const nullable = accepts(field, null)
      if (nullable !== definition.nullable) problems.push(`${property}: nullable is ${nullable}`)
      return problems
    }),
  ]
}

function insertDrift({ columns, insert }: EntityDescription): string[] {
  const writable = writableKeys(columns, ['insert', 'always'])
  return [
    ...sameSet('the insert schema', Object.keys(insert.shape), 'writable columns', writable),
    ...fields(insert, columns).flatMap(([property, field, definition]) => {
      const optional = definition.nullable || definition.default !== null
      const problems = typeDrift(property, field, definition)
      if (accepts(field, undefined) !== optional) problems.push(`insert ${property}: optional`)
      if (accepts(field, null) !== definition.nullable) problems.push(`insert ${property}: null`)
      return problems
    }),
  ]
}

function updateDrift({ columns, update }: EntityDescription): string[] {
  const writable = writableKeys(columns, ['update', 'always'])
  return [
    ...sameSet('the update schema', Object.keys(update.shape), 'updatable columns', writable),
    ...fields(update, columns).flatMap(([property, field, definition]) => {
      const problems = typeDrift(property, field, definition)
      if (!accepts(field, undefined)) problems.push(`update ${property}: must be optional`)
      if (accepts(field, null) !== definition.nullable) problems.push(`update ${property}: null`)
      return problems
    }),
  ]
}

function fields(
  schema: z.ZodMiniObject,
  columns: ColumnMap,
): [string, z.core.$ZodType, ColumnDefinition][] {
  return Object.entries(schema.shape).flatMap(([property, field]) => {
    const definition = columns[property]
    const entry: [string, z.core.$ZodType, ColumnDefinition] | undefined = definition && [
      property,
      field,
      definition,
    ]
    return entry === undefined ? [] : [entry]
  })
}

function writableKeys(columns: ColumnMap, when: readonly string[]): string[] {
  return Object.keys(columns).filter((key) => when.includes(columns[key]?.writable ?? ''))
}

/** One value of each JavaScript type, to find out which of them a zod type accepts. */
const samples: Record<string, unknown[]> = {
  text: [
    'x',
    ...'private ready upload codex session active user complete message tenant member'.split(' '),
  ],
  integer: [1],
  bigint: [1],
  boolean: [true],
  jsonb: [{}, []],
  'timestamp with time zone': [new Date(0)],
}

/** The samples that the zod type of a column accepts, where they aren't those of its own type. */
const EQUIVALENT: Record<string, string[]> = {
  integer: ['integer', 'bigint'],
  bigint: ['integer', 'bigint'],
  'text[]': ['jsonb'],
}

/** A value outside of the column type's range. */
const excessive: Record<string, unknown> = { integer: 2 ** 31, bigint: 2 ** 53 }

function typeDrift(property: string, field: z.core.$ZodType, { type }: ColumnDefinition): string[] {
  const taken = Object.keys(samples).filter((category) =>
    samples[category]?.some((sample) => accepts(field, sample)),
  )
  const expected = EQUIVALENT[type] ?? [type]
  const problems =
    taken.join() === expected.join() ? [] : [`${property}: takes ${taken.join()}, is ${type}`]
  if (type in excessive && accepts(field, excessive[type])) {
    problems.push(`${property}: takes ${excessive[type]}, more than ${type} holds`)
  }
  return problems
}

function accepts(field: z.core.$ZodType, value: unknown): boolean {
  return z.safeParse(field, value).success
}

function sameSet(
  oneName: string,
  one: readonly string[],
  otherName: string,
  other: readonly string[],
): string[] {
  return [
    ...one.filter((key) => !other.includes(key)).map((key) => `${key}: not in ${otherName}`),
    ...other.filter((key) => !one.includes(key)).map((key) => `${key}: not in ${oneName}`),
  ]
}
