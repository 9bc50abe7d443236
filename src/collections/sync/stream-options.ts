import { createColumnMapper, type ShapeStreamOptions, snakeCamelMapper } from '@electric-sql/client'
import { SessionDbError } from '../../errors.ts'
import type { ColumnMap } from '../../schema/columns.ts'
import { parseTimestamp } from '../../schema/parse-timestamp.ts'
import { shapeUrl } from '../../shapes/shape-url.ts'
import type { AudienceRoute } from './audience-route.ts'
import type { Network } from './network.ts'
import type { PageVisibility } from './page-visibility.ts'
import { isHalfAnswer, toStreamError } from './stream-error.ts'
import { upToDateNow, type WritableSyncStatus } from './sync-status.ts'
import type { SyncStream } from './sync-stream.ts'

/** How the streams of one `createSessionCollections` reach the server. */
export interface StreamOptions {
  readonly electricUrl: string
  readonly headers?: ShapeStreamOptions['headers']
  readonly fetchClient: typeof fetch
  readonly network: Network
  readonly gcTime?: number
  readonly initialRows?: InitialRows
  /** Keeps the rows of streams on this device. */
  readonly persist?: PersistStream | undefined
  /** The streams that run now, of every collection. */
  readonly running: Set<SyncStream>
  /** Called with every error that ends a stream. */
  readonly onError?: (error: SessionDbError) => void
}

/** The rows that collections start with. */
export interface InitialRows {
  /** True if the page is being rendered on a server: collections show these rows and start no stream. */
  readonly isServer: boolean
  /** Returns true if the collection's first render has to show rows. */
  startsWhenRead(source: ShapeSource): boolean
  /** Returns a collection's rows. In a browser only once: they are outdated when it starts again. */
  take(source: ShapeSource): readonly object[] | undefined
}

/** Keeps the rows of streams on this device. */
export interface PersistStream {
  /** Returns the fetch of a stream that starts with the rows on this device. */
  (stream: {
    readonly source: ShapeSource
    /** The table whose rows it holds, or the name of the app's own shape. */
    readonly collection: string
    readonly status: WritableSyncStatus
    /** Fetches from the server. */
    readonly send: typeof fetch
  }): typeof fetch
  /** The audiences of the user, which tell a page without network whose rows to show. */
  readonly audiences: {
    read(): Promise<readonly string[] | undefined>
    write(audiences: readonly string[]): void
  }
}

/** The shape that a collection holds. */
export interface ShapeSource {
  /** Unique among all collections of the page. */
  readonly collectionId: string
  readonly shape: string
  readonly params: Readonly<Record<string, string>>
  /** Chooses the parameter `audience`, for a shape of what is below a session. */
  readonly route?: AudienceRoute | undefined
  /** Columns of an app's own shape; the library's shapes use their column names in camel case. */
  readonly columns?: ColumnMap
  /** The properties that identify a row. */
  readonly key: readonly string[]
  /** Called when syncing starts and when it ends. */
  readonly onLiveChange?: (live: boolean) => void
}

/** The controls that one stream reports to and obeys. */
export interface StreamWatch {
  readonly status: WritableSyncStatus
  readonly stop: StreamStop
  readonly visibility: PageVisibility
}

const parser = {
  timestamptz: parseTimestamp,
  int8: Number,
}

/**
 * Returns the options of Electric's client for the stream of one shape.
 *
 * @param collection the table whose rows it holds, or the name of the app's own shape
 */
export function streamOptions(
  source: ShapeSource,
  options: StreamOptions,
  { status, stop, visibility }: StreamWatch,
  collection: string,
): ShapeStreamOptions {
  const shape = describeShape(source)
  const send = options.fetchClient
  const kept = options.persist?.({ source, collection, status, send }) ?? send
  return {
    // Read when the stream starts: a server that renders the page has no origin to resolve against.
    get url() {
      return shapeUrl(options.electricUrl, source.shape)
    },
    params: streamParams(source),
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    fetchClient: watchFetch(streamFetch(source, kept), options.network, shape, status),
    parser: parser as unknown as NonNullable<ShapeStreamOptions['parser']>,
    columnMapper: columnMapperOf(source.columns),
    warnOnHttp: false,
    ...(visibility.adapter && { runtimeVisibility: visibility.adapter }),
    // Shared connections have their own watchdogs, and a large answer counts here only when complete.
    liveRequestTimeoutMs: 120_000,
    onError: async (error) => {
      const lastError = toStreamError(error, shape)
      if (isHalfAnswer(error)) {
        status.update({ lastError, isUpToDate: false })
        return {}
      }
      status.update({ lastError, isUpToDate: false, isStopped: true })
      options.onError?.(lastError)
      // The same credentials would be refused again, so the stream waits for restart().
      const goesOn = await stop.untilRestart()
      if (!goesOn) return undefined
      status.update({ lastError: null, isStopped: false })
      return {}
    },
  }
}

/** Returns the parameters of a shape; the audience is chosen for each request. */
export function streamParams({
  params,
  route,
}: Pick<ShapeSource, 'params' | 'route'>): NonNullable<ShapeStreamOptions['params']> {
  const all = route === undefined ? params : { ...params, audience: route.current }
  return all as unknown as NonNullable<ShapeStreamOptions['params']>
}

/** Returns the fetch of a stream, which follows its route. */
export function streamFetch(
  { route }: Pick<ShapeSource, 'route'>,
  send: typeof fetch,
): typeof fetch {
  return route?.wrap(send) ?? send
}

/** Returns name and parameters of a shape, for messages. */
export function describeShape({ shape, params }: Pick<ShapeSource, 'shape' | 'params'>): string {
  const query = new URLSearchParams(params).toString()
  return query === '' ? shape : `${shape}?${query}`
}

/**
 * Returns the mapping from a stream's columns to properties.
 *
 * @param columns columns of an app's own shape. Without them each property is its column's name in
 *   camel case, which holds for every table of this library and saves loading their columns.
 */
export function columnMapperOf(
  columns: ColumnMap | undefined,
): NonNullable<ShapeStreamOptions['columnMapper']> {
  if (columns === undefined) return camelCaseMapper
  return createColumnMapper(
    Object.fromEntries(Object.entries(columns).map(([property, { name }]) => [name, property])),
  )
}

/** Electric's own mapper converts each name in each row, which takes a tenth of a large snapshot's time. */
const camelCaseMapper = /* @__PURE__ */ (() => {
  const { decode, encode } = snakeCamelMapper()
  return { decode: remembering(decode), encode: remembering(encode) }
})()

function remembering(convert: (name: string) => string): (name: string) => string {
  const known = new Map<string, string>()
  return (name) => {
    const found = known.get(name)
    if (found !== undefined) return found
    const converted = convert(name)
    known.set(name, converted)
    return converted
  }
}

/** Holds a stream that an error has stopped until it is restarted or over. */
export interface StreamStop {
  /** Resolves to true when the stream should resume, to false when it is over. */
  untilRestart(): Promise<boolean>
  restart(): void
  /** Ends the stream. */
  end(): void
}

/** Creates the stop of one collection's stream. A restart has no effect while nothing waits. */
export function createStreamStop(): StreamStop {
  let waiting: ((goesOn: boolean) => void)[] = []
  const release = (goesOn: boolean) => {
    const due = waiting
    waiting = []
    for (const resolve of due) resolve(goesOn)
  }
  return {
    untilRestart: () => new Promise((resolve) => waiting.push(resolve)),
    restart: () => release(true),
    end: () => release(false),
  }
}

/**
 * Wraps the fetch of one stream: requests are retried as soon as the network is back, and the status
 * shows temporary failures (network, 5xx, 429), their end, and the stream's handle and offset.
 */
function watchFetch(
  fetchClient: typeof fetch,
  network: Network,
  shape: string,
  status: WritableSyncStatus,
): typeof fetch {
  return async (input, init) => {
    const url = String(input)
    const catchUp = url.replace('&live=true', '')
    // A live poll stays silent until there is news, so after a failure a plain request goes first:
    // its answer shows that the connection works again.
    let next = status.get().isUpToDate ? url : catchUp
    for (;;) {
      const send = () => fetchClient(next, init)
      const response = await network.untilAnswered(send, init?.signal, () => {
        noteFailure(shape, 'could not be reached', status)
        next = catchUp
      })
      const { ok, status: code, headers, body } = response
      if (next === url || !ok) {
        if (ok) noteProgress(response, status)
        // Other codes end the stream, and its onError reports them.
        else if (code >= 500 || code === 429) noteFailure(shape, `answered ${code}`, status)
        return response
      }
      body?.cancel().catch(() => undefined)
      const hasMore = headers.get('electric-offset') !== status.get().offset
      if (!hasMore) status.update(upToDateNow())
      next = url
    }
  }
}

function noteProgress({ headers }: Response, status: WritableSyncStatus): void {
  const handle = headers.get('electric-handle')
  const offset = headers.get('electric-offset')
  const now = status.get()
  if (handle === now.handle && offset === now.offset) return
  status.update({ handle, offset })
}

/** Shows a failure in the status that the stream retries by itself. */
export function noteFailure(shape: string, problem: string, status: WritableSyncStatus): void {
  const message = `The server of ${shape} ${problem}. The stream retries by itself.`
  const lastError = new SessionDbError('unavailable', message, { details: { shape } })
  status.update({ lastError, isUpToDate: false })
}
