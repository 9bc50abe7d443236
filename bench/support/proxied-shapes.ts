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

/** The request that the proxy sends to the engine for such a shape, so that both read the same log. */
export function directQuery(table: keyof typeof proxiedShapes): ShapeQuery {
  return { table, columns: syncedColumnNames(columns).join(','), where: 'TRUE' }
}
