import { expect, test } from 'vitest'
import { columnMapperOf } from '../../../src/collections/sync/stream-options.ts'
import { type ColumnMap, replicatedTables } from '../../../src/schema/index.ts'

const columns = Object.values(replicatedTables).flatMap((table) =>
  Object.entries<ColumnMap[string]>(table.columns)
    .filter(([, { synced }]) => synced)
    .map(([property, { name }]) => ({ table: table.name, property, name })),
)

test.each(columns)('$table: $property has its column’s name in camel case', (column) => {
  const mapper = columnMapperOf(undefined)
  expect(mapper.decode(column.name)).toBe(column.property)
  expect(mapper.encode(column.property)).toBe(column.name)
})

test('an app’s own columns have the property names that the app defines', () => {
  const mapper = columnMapperOf({
    due: { ...replicatedTables.sessions.columns.endedAt, name: 'due_by_2026' },
  })
  expect(mapper.decode('due_by_2026')).toBe('due')
  expect(mapper.encode('due')).toBe('due_by_2026')
})
