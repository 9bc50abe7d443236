import type { ChatMessage } from '../../schema/chat-message.ts'
import { foldDelta, type StreamedContent, streamStateOf } from '../../schema/streamed-message.ts'
import type { StreamedDelta } from './delta-stream.ts'

/** A message that streams: as its shape has it, and with what has been said since. */
interface StreamedRow {
  /** The row as the messages' shape has it. */
  readonly base: ChatMessage
  readonly grown: StreamedContent
  /** The delta that comes next. */
  readonly next: number
  /** Deltas that came before those they follow. */
  readonly early: ReadonlyMap<number, StreamedDelta>
}

/** The messages of one collection that are being streamed, put together from two shapes. */
export interface StreamedRows {
  /** All of them, as their shape has them. */
  bases(): ChatMessage[]
  /** Takes in a row, or what has changed of one, and returns it as it is to be shown. */
  take<Value extends RowValue>(value: Value): Value
  remove(id: string): void
  /** Forgets the rows: they come anew. */
  clear(): void
  /** Takes in deltas; returns how the messages that grew look now. */
  grow(deltas: readonly StreamedDelta[]): GrownRow[]
  /** Forgets the deltas: nobody streams any more. */
  forgetDeltas(): void
}

type RowValue = Partial<ChatMessage> & { readonly id: string }

/** What of a row has changed by its stream. */
export interface GrownRow extends StreamedContent {
  readonly id: string
}

/**
 * Creates an empty set of streamed rows.
 *
 * @param rowOf the row as the collection has it, for an update that begins a stream anew
 */
export function createStreamedRows(rowOf: (id: string) => ChatMessage | undefined): StreamedRows {
  const rows = new Map<string, StreamedRow>()
  // Kept until nobody streams: a delta may overtake its message, as the two shapes are read apart,
  // and a message whose shape starts over is put together again.
  const deltasOf = new Map<string, StreamedDelta[]>()

  function begin(base: ChatMessage): StreamedRow {
    const next = streamStateOf(base.metadata).from ?? 0
    const row: StreamedRow = { base, grown: base, next, early: new Map() }
    return (deltasOf.get(base.id) ?? []).reduce(grown, row)
  }

  function keep(delta: StreamedDelta): void {
    const kept = deltasOf.get(delta.messageId)
    if (kept === undefined) deltasOf.set(delta.messageId, [delta])
    else kept.push(delta)
  }

  return {
    bases: () => [...rows.values()].map(({ base }) => base),
    take(value) {
      const known = rows.get(value.id)
      if (known === undefined && value.status !== 'streaming') return value
      const base = { ...(known?.base ?? rowOf(value.id)), ...value } as ChatMessage
      if (base.status !== 'streaming') {
        rows.delete(value.id)
        // Also where they have not changed: what is shown is not what the shape had.
        return { ...value, content: base.content, parts: base.parts }
      }
      const isSame = known !== undefined && isSameStream(known.base, base)
      const row = isSame ? { ...known, base } : begin(base)
      rows.set(value.id, row)
      return { ...value, content: row.grown.content, parts: row.grown.parts }
    },
    remove: (id) => void rows.delete(id),
    clear: () => rows.clear(),
    grow(deltas) {
      const touched = new Map<string, StreamedRow>()
      for (const delta of deltas) {
        keep(delta)
        const row = rows.get(delta.messageId)
        if (row === undefined) continue
        const next = grown(row, delta)
        rows.set(delta.messageId, next)
        touched.set(delta.messageId, next)
      }
      return [...touched].map(([id, { grown: now }]) => ({
        id,
        content: now.content,
        parts: now.parts,
      }))
    },
    forgetDeltas: () => deltasOf.clear(),
  }
}

/** Whether what has been said since still follows what the row holds. */
function isSameStream(one: ChatMessage, other: ChatMessage): boolean {
  return (
    one.content === other.content &&
    streamStateOf(one.metadata).from === streamStateOf(other.metadata).from
  )
}

function grown(row: StreamedRow, delta: StreamedDelta): StreamedRow {
  if (delta.seq < row.next) return row
  const early = new Map(row.early).set(delta.seq, delta)
  let [{ next, grown: content }, following] = [row, early.get(row.next)]
  while (following !== undefined) {
    early.delete(next)
    content = foldDelta(content, following)
    next += 1
    following = early.get(next)
  }
  return { ...row, grown: { content: content.content, parts: content.parts }, next, early }
}
