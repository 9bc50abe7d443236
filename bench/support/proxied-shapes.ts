import { type ColumnMap, column, syncedColumnNames } from '../../src/schema/index.ts'
import { defineShape } from '../../src/shapes/index.ts'
import type { ShapeQuery } from './shape-reader.ts'

const columns: ColumnMap = { id: column('id', 'bigint'), body: column('body', 'text') }

/** Tables of the proxy's benchmark, as shapes without a condition. */
export const proxiedShapes = {
  small: defineShape({ table: 'small', columns, tenantColumn: null }),
  large: defineShape({ table: 'large', columns, tenantColumn: null }),
  live: defineShape({ table: 'live', columns, tenantColumn: null }),
}

/** What the engine is asked for such a shape: the same as the proxy asks, so the log is the same. */
export function directQuery(table: keyof typeof proxiedShapes): ShapeQuery {
  return { table, columns: syncedColumnNames(columns).join(','), where: 'TRUE' }
}
