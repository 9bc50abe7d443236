import type { SessionAccess } from '../../access/access.ts'
import { SessionDbError } from '../../errors.ts'
import type { ColumnMap, RowOf } from '../../schema/columns.ts'
import type { Principal } from '../../schema/principal.ts'
import { isRefusal, resolveShape } from '../../shapes/resolve-shape.ts'
import { createSessionShapes } from '../../shapes/session-shapes.ts'
import type { ShapeRows } from '../../shapes/shape-rows.ts'
import type { Driver } from './drivers.ts'

/** This library's shapes by name. */
export type SessionShapes = ReturnType<typeof createSessionShapes>

/** The first rows of a shape to read. */
export interface ReadRowsRequest<Name extends keyof SessionShapes = keyof SessionShapes> {
  readonly shape: Name
  /** Parameters of the shape, such as `{ sessionId }`. */
  readonly params?: Readonly<Record<string, string>>
  /** The property to sort by. Default: the order is undefined. */
  readonly orderBy?: keyof RowOf<SessionShapes[Name]['columns']> & string
  readonly descending?: boolean
  /** Default 100, at most 10,000. */
  readonly limit?: number
}

/** The most rows that a read returns. */
export const MAX_ROWS = 10_000

/** Reads the first rows of a shape of the library, as the browser would hold them. */
export async function readRows<P extends Principal, Name extends keyof SessionShapes>(
  driver: Driver,
  access: SessionAccess<P>,
  principal: P,
  { shape: name, params = {}, orderBy, descending = false, limit = 100 }: ReadRowsRequest<Name>,
): Promise<ShapeRows<RowOf<SessionShapes[Name]['columns']>>> {
  const shapes = createSessionShapes(access)
  const shape = resolveShape<P>(shapes, name, params, principal)
  if (isRefusal(shape)) throw new SessionDbError('invalid', shape.message)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ROWS) {
    throw new SessionDbError('invalid', `limit must be a whole number from 1 to ${MAX_ROWS}.`)
  }
  const columns: ColumnMap = shapes[name].columns
  const sorted = orderBy === undefined ? undefined : columns[orderBy]
  if (orderBy !== undefined && !sorted?.synced) {
    throw new SessionDbError('invalid', `${name} has no property '${orderBy}' to sort by.`)
  }
  const order = sorted ? `ORDER BY "${sorted.name}" ${descending ? 'DESC' : 'ASC'}` : ''
  const text = `SELECT to_jsonb(found)::text AS row FROM (
    SELECT ${shape.columns.map((column) => `"${column}"`).join(', ')}
    FROM ${shape.table} WHERE ${shape.where} ${order} LIMIT ${limit}
  ) AS found`
  const found = await driver.run({ name: undefined, text, values: shape.params })
  const rows = (found as { readonly row: string }[]).map(({ row }) =>
    toRow(JSON.parse(row), columns),
  )
  return { shape: name, params, rows: rows as RowOf<SessionShapes[Name]['columns']>[] }
}

function toRow(stored: Record<string, unknown>, columns: ColumnMap): Record<string, unknown> {
  const synced = Object.entries(columns).filter(([, { synced }]) => synced)
  return Object.fromEntries(
    synced.map(([property, { name, type }]) => {
      const value = stored[name]
      const isTime = type === 'timestamp with time zone' && typeof value === 'string'
      return [property, isTime ? new Date(value) : value]
    }),
  )
}
