import { isChangeMessage, ShapeStream } from '@electric-sql/client'
import type { SyncConfig } from '@tanstack/db'
import type { ChatMessage } from '../../schema/chat-message.ts'
import {
  type FoldState,
  foldDelta,
  folded,
  type StreamedContent,
  startFold,
  streamEpoch,
  streamStateOf,
} from '../../schema/streamed-message.ts'
import { shapeUrl } from '../../shapes/shape-url.ts'
import { toStreamError } from './stream-error.ts'
import {
  columnMapperOf,
  type ShapeSource,
  type StreamOptions,
  streamFetch,
  streamParams,
} from './stream-options.ts'
import { createTextPace, type DeltaPiece, type StreamedDelta } from './text-pace.ts'

/** The functions through which a stream writes into its collection. */
export type SyncParams = Parameters<SyncConfig<Record<string, unknown>>['sync']>[0]

/** Sits between a shape's stream and its collection, and changes the rows on their way. */
export type CreateSyncOverlay = (
  params: SyncParams,
  options: StreamOptions,
  source: ShapeSource,
) => {
  readonly params: SyncParams
  /** Called when syncing ends. */
  stop(): void
}

/**
 * Shows a streaming message as its row plus the deltas that arrived since. Deltas are requested only
 * while a message of the collection streams, so an idle collection costs one shape, not two.
 */
export const overlayStreams: CreateSyncOverlay = (params, options, source) => {
  // Rows of the open transaction, which the collection doesn't have yet: a log that is read later
  // has a message's insert and the update that resumes its stream in one transaction.
  const uncommitted = new Map<string, RowValue>()
  const rows = createStreamedRows((id) => ({
    ...(params.collection.get(id) as unknown as ChatMessage | undefined),
    ...uncommitted.get(id),
  }))
  const streams = new Map<string, DeltaStream>()
  let isOpen = false
  let waiting: DeltaPiece[] = []
  const pace = createTextPace((pieces) => show(pieces))

  function show(deltas: readonly DeltaPiece[]): void {
    // While the messages' own transaction is open, a write would become part of it.
    if (isOpen) {
      waiting = [...waiting, ...deltas]
      return
    }
    const changed = rows.grow(deltas)
    if (changed.length === 0) return
    params.begin()
    for (const row of changed) params.write({ type: 'update', value: { ...row } })
    params.commit()
  }

  function receive(deltas: readonly StreamedDelta[]): void {
    rows.keep(deltas)
    pace.add(deltas)
  }

  /** Opens the delta streams that are needed and closes the others. */
  function follow(): void {
    const needed = new Map(
      rows.bases().map(({ sessionId, createdAt }) => {
        const epoch = streamEpoch(createdAt)
        return [JSON.stringify([sessionId, epoch]), { sessionId, epoch }]
      }),
    )
    for (const [key, stream] of streams) {
      if (needed.has(key)) continue
      stream.close()
      streams.delete(key)
    }
    if (needed.size === 0) rows.forgetDeltas()
    for (const [key, place] of needed) {
      if (!streams.has(key))
        streams.set(key, openDeltaStream({ params: place, route: source.route }, options, receive))
    }
  }

  return {
    params: {
      ...params,
      begin() {
        isOpen = true
        params.begin()
      },
      write(message) {
        if (message.type === 'delete') {
          const id = String('key' in message ? message.key : message.value.id)
          rows.remove(id)
          uncommitted.delete(id)
          params.write(message)
        } else {
          const value = message.value as RowValue
          params.write({ ...message, value: rows.take(value) })
          uncommitted.set(value.id, { ...uncommitted.get(value.id), ...value })
        }
      },
      truncate() {
        rows.clear()
        uncommitted.clear()
        params.truncate()
      },
      commit(signal) {
        isOpen = false
        uncommitted.clear()
        const applied = params.commit(signal)
        follow()
        if (waiting.length > 0) show(waiting.splice(0))
        return applied
      },
    },
    stop() {
      pace.stop()
      for (const stream of streams.values()) stream.close()
      streams.clear()
      rows.clear()
      rows.forgetDeltas()
    },
  }
}

interface DeltaStream {
  close(): void
}

interface DeltaSource extends Pick<ShapeSource, 'route'> {
  readonly params: { readonly sessionId: string; readonly epoch: string }
}

const DELTAS_SHAPE = 'session-deltas'

/**
 * Follows the deltas of a session in one epoch, starting with those written before it was opened.
 *
 * @param onDeltas called with the deltas of each response
 */
function openDeltaStream(
  source: DeltaSource,
  options: StreamOptions,
  onDeltas: (deltas: readonly StreamedDelta[]) => void,
): DeltaStream {
  const end = new AbortController()
  const send = streamFetch(source, options.fetchClient)
  const stream = new ShapeStream({
    url: shapeUrl(options.electricUrl, DELTAS_SHAPE),
    params: streamParams(source),
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    fetchClient: (input, init) =>
      options.network.untilAnswered(() => send(input, init), init?.signal),
    columnMapper: columnMapperOf(undefined),
    signal: end.signal,
    warnOnHttp: false,
    onError: (error) => {
      if (!end.signal.aborted) {
        options.onError?.(
          toStreamError(error, `${DELTAS_SHAPE}?${new URLSearchParams(source.params)}`),
        )
      }
      // Returning nothing ends the stream. The message's own row still arrives when it is complete.
    },
  })
  stream.subscribe((messages) => {
    const deltas = messages.flatMap((message) =>
      isChangeMessage(message) && message.headers.operation === 'insert'
        ? [message.value as unknown as StreamedDelta]
        : [],
    )
    if (deltas.length > 0) onDeltas(deltas)
  })
  return {
    close() {
      end.abort()
      // Otherwise the document would keep the stream, which listens to page visibility.
      stream.unsubscribeAll()
    },
  }
}

/** A streaming message: its row in the shape, and the deltas received since. */
interface StreamedRow {
  readonly base: ChatMessage
  readonly grown: FoldState
  /** Number of the next delta. */
  readonly next: number
  /** Deltas that arrived before the ones they follow. */
  readonly early: ReadonlyMap<number, DeltaPiece>
}

type RowValue = Partial<ChatMessage> & { readonly id: string }

interface GrownRow extends StreamedContent {
  readonly id: string
}

/**
 * Creates the set of streaming messages of one collection, built from two shapes.
 *
 * @param rowOf returns the shape's row so far, for an update that restarts a stream
 */
function createStreamedRows(rowOf: (id: string) => Partial<ChatMessage>) {
  const rows = new Map<string, StreamedRow>()
  // Kept until no message streams: the two shapes are read apart, so a delta may overtake its
  // message, and a message whose shape starts over is rebuilt from its deltas.
  const deltasOf = new Map<string, StreamedDelta[]>()

  function begin(base: ChatMessage): StreamedRow {
    const next = streamStateOf(base.metadata).from ?? 0
    const row: StreamedRow = { base, grown: startFold(base), next, early: new Map() }
    return (deltasOf.get(base.id) ?? []).reduce(grown, row)
  }

  function keep(delta: StreamedDelta): void {
    const kept = deltasOf.get(delta.messageId)
    if (kept === undefined) deltasOf.set(delta.messageId, [delta])
    else kept.push(delta)
  }

  return {
    /** Returns the rows as their shape has them. */
    bases: () => [...rows.values()].map(({ base }) => base),
    /** Takes a row or its changes from the shape, and returns what the collection should show. */
    take<Value extends RowValue>(value: Value): Value {
      const known = rows.get(value.id)
      if (known === undefined && value.status !== 'streaming') return value
      const base = { ...(known?.base ?? rowOf(value.id)), ...value } as ChatMessage
      if (base.status !== 'streaming') {
        rows.delete(value.id)
        // Also when unchanged in the shape: the collection still shows the grown content.
        return { ...value, content: base.content, parts: base.parts }
      }
      const isSame = known !== undefined && isSameStream(known.base, base)
      const row = isSame ? { ...known, base } : begin(base)
      rows.set(value.id, row)
      return { ...value, ...folded(row.grown) }
    },
    remove: (id: string) => void rows.delete(id),
    /** Forgets the rows, which the shape will send again. */
    clear: () => rows.clear(),
    /** Keeps deltas, which belong to their message from now on. */
    keep: (deltas: readonly StreamedDelta[]) => deltas.forEach(keep),
    /** Takes deltas and returns the messages that grew. */
    grow(deltas: readonly DeltaPiece[]): GrownRow[] {
      const touched = new Map<string, StreamedRow>()
      for (const delta of deltas) {
        const row = rows.get(delta.messageId)
        if (row === undefined) continue
        // A piece of a delta that is not the next one: the kept deltas have the whole text.
        const isEarlyPiece = delta.hasMore !== undefined && delta.seq > row.next
        const next = isEarlyPiece ? begin(row.base) : grown(row, delta)
        rows.set(delta.messageId, next)
        touched.set(delta.messageId, next)
      }
      return [...touched].map(([id, row]) => ({ id, ...folded(row.grown) }))
    },
    forgetDeltas: () => deltasOf.clear(),
  }
}

/** Checks whether the deltas received so far still follow the row's content. */
function isSameStream(one: ChatMessage, other: ChatMessage): boolean {
  return (
    one.content === other.content &&
    streamStateOf(one.metadata).from === streamStateOf(other.metadata).from
  )
}

function grown(row: StreamedRow, delta: DeltaPiece): StreamedRow {
  if (delta.seq < row.next) return row
  if (delta.hasMore && delta.seq === row.next) return { ...row, grown: foldDelta(row.grown, delta) }
  const early = new Map(row.early).set(delta.seq, delta)
  let [{ next, grown: content }, following] = [row, early.get(row.next)]
  while (following !== undefined) {
    early.delete(next)
    content = foldDelta(content, following)
    next += 1
    following = early.get(next)
  }
  return { ...row, grown: content, next, early }
}
