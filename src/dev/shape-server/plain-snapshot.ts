import type { ShapeLog } from '../protocol/shape-log.ts'
import { createCopyRowWriter } from './copy-row-writer.ts'
import { copyRows } from './copy-rows.ts'
import { whereSql } from './query-plan.ts'
import type { PostgresShape } from './shape-definition.ts'
import type { Querier } from './snapshot-query.ts'
import { quoteIdentifier } from './where/expression.ts'

/**
 * Writes the rows of a shape without subqueries to its log; call it within a transaction.
 *
 * @example
 * await writePlainSnapshot(client, shape, log)
 */
export async function writePlainSnapshot(
  client: Querier,
  shape: PostgresShape,
  log: ShapeLog,
): Promise<void> {
  const { plan, message } = shape
  const writer = createCopyRowWriter(message)
  const list = [...message.keyColumns, ...message.columns].map((name) => columnSql(shape, name))
  const select = `SELECT ${list.join(', ')} FROM ${plan.table.sqlName} WHERE ${whereSql(plan)}`
  let current: Buffer
  let from: number
  let to: number
  // One function for all rows: a hundred thousand of them would be work for the garbage collector.
  const write = (target: Uint8Array, start: number) =>
    writer.write(current, from, to, target, start)
  await copyRows(client, select, (bytes, start, end) => {
    current = bytes
    from = start
    to = end
    log.writeSnapshotMessage(writer.maxBytes(end - start), write)
  })
}

/** Rows that queries read carry booleans as `true` and `false`, those of the stream `t` and `f`. */
function columnSql(shape: PostgresShape, name: string): string {
  const column = shape.plan.table.columns.find((each) => each.name === name)
  return `${quoteIdentifier(name)}${column?.type === 'bool' ? '::text' : ''}`
}
