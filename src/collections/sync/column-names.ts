import { createColumnMapper, type ShapeStreamOptions, snakeCamelMapper } from '@electric-sql/client'
import type { ColumnMap } from '../../schema/columns.ts'

/**
 * How a stream's columns become properties.
 *
 * @param columns those of the app's own shape. Without them each property has its column's name in
 *   camel case, as in every table of this library: their columns need not be loaded for it.
 */
export function columnMapperOf(
  columns: ColumnMap | undefined,
): NonNullable<ShapeStreamOptions['columnMapper']> {
  if (columns === undefined) return snakeCamelMapper()
  return createColumnMapper(
    Object.fromEntries(Object.entries(columns).map(([property, { name }]) => [name, property])),
  )
}
