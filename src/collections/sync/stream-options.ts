import type { ShapeStreamOptions } from '@electric-sql/client'
import { parseTimestamp } from '../../schema/parse-timestamp.ts'
import { shapeUrl } from '../../shapes/shape-url.ts'
import { columnMapperOf } from './column-names.ts'
import type { PageVisibility } from './page-visibility.ts'
import { isHalfAnswer, toStreamError } from './stream-error.ts'
import type { StreamStop } from './stream-stop.ts'
import type { WritableSyncStatus } from './sync-status.ts'
import type { ShapeSource, StreamOptions } from './synced-collection.ts'
import { watchFetch } from './watch-fetch.ts'

/** What a stream tells of itself, and is told. */
export interface StreamWatch {
  readonly status: WritableSyncStatus
  readonly stop: StreamStop
  readonly visibility: PageVisibility
}

const parser = {
  timestamptz: parseTimestamp,
  int8: Number,
}

/** The options of Electric's client for the stream of one shape. */
export function streamOptions(
  source: ShapeSource,
  options: StreamOptions,
  { status, stop, visibility }: StreamWatch,
): ShapeStreamOptions {
  return {
    // Asked for when the stream starts: on a server that renders the page there is no origin.
    get url() {
      return shapeUrl(options.electricUrl, source.shape)
    },
    params: source.params as unknown as NonNullable<ShapeStreamOptions['params']>,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    fetchClient: watchFetch(options.fetchClient, options.network, describeShape(source), status),
    parser: parser as unknown as NonNullable<ShapeStreamOptions['parser']>,
    columnMapper: columnMapperOf(source.columns),
    warnOnHttp: false,
    ...(visibility.adapter && { runtimeVisibility: visibility.adapter }),
    // The connections that streams share have watchdogs of their own, and a large answer counts
    // here only when it is whole.
    liveRequestTimeoutMs: 120_000,
    onError: async (error) => {
      const streamError = toStreamError(error, describeShape(source))
      if (isHalfAnswer(error)) {
        status.update({ lastError: streamError, isUpToDate: false })
        return {}
      }
      status.update({ lastError: streamError, isUpToDate: false, isStopped: true })
      options.onError?.(streamError)
      // Asking again with the same credentials cannot help: somebody must say when to go on.
      const goesOn = await stop.untilRestart()
      if (!goesOn) return undefined
      status.update({ lastError: null, isStopped: false })
      return {}
    },
  }
}

/** Name and parameters of a shape, for messages. */
export function describeShape({ shape, params }: ShapeSource): string {
  const query = new URLSearchParams(params).toString()
  return query === '' ? shape : `${shape}?${query}`
}
