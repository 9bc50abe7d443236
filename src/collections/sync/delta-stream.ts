import { isChangeMessage, ShapeStream } from '@electric-sql/client'
import type { JsonObject } from '../../schema/fields.ts'
import { shapeUrl } from '../../shapes/shape-url.ts'
import { columnMapperOf } from './column-names.ts'
import { toStreamError } from './stream-error.ts'
import type { StreamOptions } from './synced-collection.ts'

/** A piece of a message, as the stream brings it. */
export interface StreamedDelta {
  readonly messageId: string
  readonly seq: number
  readonly delta: string
  readonly part: JsonObject | null
}

/** A stream of deltas that is open. */
export interface DeltaStream {
  close(): void
}

const SHAPE = 'session-deltas'

/**
 * Follows what is being said in a session, in one epoch. Deltas of before it was opened come first.
 *
 * @param onDeltas called with what each answer brings
 */
export function openDeltaStream(
  params: { readonly sessionId: string; readonly epoch: string },
  options: StreamOptions,
  onDeltas: (deltas: readonly StreamedDelta[]) => void,
): DeltaStream {
  const end = new AbortController()
  const stream = new ShapeStream({
    url: shapeUrl(options.electricUrl, SHAPE),
    params: { ...params },
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    fetchClient: (input, init) =>
      options.network.untilAnswered(() => options.fetchClient(input, init), init?.signal),
    columnMapper: columnMapperOf(undefined),
    signal: end.signal,
    warnOnHttp: false,
    onError: (error) => {
      if (!end.signal.aborted) {
        options.onError?.(toStreamError(error, `${SHAPE}?${new URLSearchParams(params)}`))
      }
      // Returning nothing ends the stream: the message itself comes when it is complete.
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
      // Else the document would hold the stream, which listens to whether the page is seen.
      stream.unsubscribeAll()
    },
  }
}
