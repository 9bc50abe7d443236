import type { RowText } from '../protocol/row-key.ts'
import type { PostgresShape } from './shape-definition.ts'

/** Rows that queries read carry booleans as `true` and `false`, those of the stream `t` and `f`. */
export function booleanWriter(shape: PostgresShape): (row: RowText) => RowText {
  const names = shape.plan.table.columns
    .filter(({ type, name }) => type === 'bool' && shape.message.columns.includes(name))
    .map((column) => column.name)
  if (names.length === 0) return (row) => row
  return (row) => {
    const written = { ...row }
    for (const name of names) {
      if (written[name] != null) written[name] = written[name] === 't' ? 'true' : 'false'
    }
    return written
  }
}
