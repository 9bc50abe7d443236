import { foldDelta, streamStateOf } from '../../schema/index.ts'
import type { Rows } from '../rows.ts'
import { deltasOf, type Tables } from './tables.ts'

type Message = Rows['chatMessages']

/**
 * What the database does to a message whose stream ends, or goes to another writer: puts its deltas
 * into it, unless the statement says itself what it holds.
 *
 * @returns undefined when the stream goes on as it is.
 */
export function foldStream(
  tables: Tables,
  old: Message,
  row: Message,
): Partial<Message> | undefined {
  if (old.status !== 'streaming') return undefined
  const isSameWriter = streamStateOf(old.metadata).writer === streamStateOf(row.metadata).writer
  if (row.status === 'streaming' && isSameWriter) return undefined
  const deltas = deltasOf(tables, old)
  const { content, parts } = deltas.reduce(foldDelta, old)
  const last = deltas.at(-1)
  return {
    content: row.content === old.content ? content : row.content,
    parts: JSON.stringify(row.parts) === JSON.stringify(old.parts) ? parts : row.parts,
    metadata: metadataAfter(row, last === undefined ? undefined : last.seq + 1, old),
  }
}

function metadataAfter(
  { status, metadata }: Message,
  next: number | undefined,
  old: Message,
): Message['metadata'] {
  const { stream, ...rest } = metadata
  if (status === 'complete') return rest
  const from = next ?? streamStateOf(old.metadata).from
  if (from === undefined) return metadata
  const state =
    typeof stream === 'object' && stream !== null && !Array.isArray(stream) ? stream : {}
  return { ...rest, stream: { ...state, from } }
}
