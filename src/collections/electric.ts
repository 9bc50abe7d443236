import {
  createColumnMapper,
  FetchError,
  type Row,
  type ShapeStreamOptions,
} from '@electric-sql/client'
import {
  BasicIndex,
  type Collection,
  createCollection,
  type NonSingleResult,
  type SyncConfig,
} from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import type { SessionDbError } from '../errors.ts'
import type { ColumnMap } from '../schema/columns.ts'
import type { Network } from './network.ts'
import { createPageVisibility, type PageVisibility } from './page-visibility.ts'
import { parseTimestamp } from './parse-timestamp.ts'
import { shapeUrl } from './shape-url.ts'
import { toStreamError } from './stream-error.ts'
import type { CreateSyncOverlay, SyncOverlay } from './stream-overlay.ts'
import { createStreamStop, type StreamStop } from './stream-stop.ts'
import { createSyncEvidence, type StreamMessage, type SyncEvidence } from './sync-evidence.ts'
import { createSyncStatus, type SyncStatusStore, type WritableSyncStatus } from './sync-status.ts'
import { watchFetch } from './watch-fetch.ts'

/** A row of any synced collection. */
export interface SyncedRow {
  readonly id: string
}

/** A live, read-only collection of rows by key. Changes go through the actions. */
export type RowCollection<Synced extends object> = Collection<Synced, string> & NonSingleResult

/** How every stream of one `createSessionCollections` reaches the server. */
export interface StreamOptions {
  readonly electricUrl: string
  readonly headers?: ShapeStreamOptions['headers']
  readonly fetchClient: typeof fetch
  readonly network: Network
  readonly gcTimeMs?: number
  /** Hears of every error that ends a stream. */
  readonly onError?: (error: SessionDbError) => void
}

/** Which shape a collection holds. */
export interface ShapeSource {
  /** Unique among all collections of the page. */
  readonly collectionId: string
  readonly shape: string
  readonly params: Readonly<Record<string, string>>
  readonly columns: ColumnMap
  /** What shows on top of the shape's rows; nothing unless given. */
  readonly overlay?: CreateSyncOverlay
  /** The properties that tell its rows apart. */
  readonly key: readonly string[]
  /** Called when syncing starts and when it ends. */
  readonly onLiveChange: (live: boolean) => void
}

/** What the stream of a collection has shown and how it is doing, whatever its rows are. */
export interface SyncStream {
  readonly collectionId: string
  /** Name and parameters of the shape, for messages. */
  readonly shape: string
  readonly evidence: SyncEvidence
  readonly status: SyncStatusStore
  /** Whether it syncs now, so that a write can be shown and confirmed in it. */
  isLive(): boolean
  /** Lets a stream that an error has stopped go on from where it was. */
  restart(): void
  /** Takes all rows out and stops syncing: whoever shows them shows none, at once. */
  empty(): Promise<void>
}

/** A collection together with its stream. */
export interface SyncedCollection<Synced extends object> extends SyncStream {
  readonly collection: RowCollection<Synced>
}

/** The longest delay a timer takes, in ms: for ever, as far as a page is concerned. */
const FOR_EVER_MS = 2 ** 31 - 1

const parser = {
  timestamptz: parseTimestamp,
  int8: Number,
}

/**
 * Creates the collection of one shape. Nothing is fetched until somebody subscribes or preloads;
 * without subscribers for `gcTimeMs` it stops again.
 */
export function createSyncedCollection<Synced extends object>(
  source: ShapeSource,
  options: StreamOptions,
): SyncedCollection<Synced> {
  const shape = describeShape(source)
  const status = createSyncStatus()
  const evidence = createSyncEvidence()
  const stop = createStreamStop()
  const visibility = createPageVisibility()
  let takeOut = () => {}
  const electric = electricCollectionOptions<Row>({
    id: source.collectionId,
    getKey: (row) => keyOf(row, source.key),
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    ...(options.gcTimeMs === undefined ? {} : { gcTime: options.gcTimeMs }),
    shapeOptions: streamOptions(source, options, { status, stop, visibility }),
  })
  const watched: Watched = {
    source,
    status,
    evidence,
    stop,
    visibility,
    overlay: (params) => source.overlay?.(params, options) ?? { params, stop() {} },
    offerEmpty: (empty) => (takeOut = empty),
  }
  const sync = watchSync(electric.sync as SyncConfig<Row>, watched)
  const collection = createCollection({ ...electric, sync })
  return {
    collection: collection as unknown as RowCollection<Synced>,
    collectionId: source.collectionId,
    shape,
    evidence,
    status,
    isLive: () => collection.status === 'loading' || collection.status === 'ready',
    restart: stop.restart,
    empty() {
      takeOut()
      // Of a collection that is shown, live queries would say on the console that it went under them.
      // It goes when nobody shows it any more, as any other.
      return collection.subscriberCount > 0 ? Promise.resolve() : collection.cleanup()
    },
  }
}

/** The value of one property as it is; of several, as a JSON list. */
function keyOf(row: Row, key: readonly string[]): string {
  const [property = 'id', ...more] = key
  if (more.length === 0) return String(row[property])
  return JSON.stringify(key.map((name) => String(row[name])))
}

function describeShape({ shape, params }: ShapeSource): string {
  const query = new URLSearchParams(params).toString()
  return query === '' ? shape : `${shape}?${query}`
}

function streamOptions(
  source: ShapeSource,
  options: StreamOptions,
  { status, stop, visibility }: Pick<Watched, 'status' | 'stop' | 'visibility'>,
): ShapeStreamOptions {
  const properties = Object.entries(source.columns)
  return {
    // Asked for when the stream starts: on a server that renders the page there is no origin.
    get url() {
      return shapeUrl(options.electricUrl, source.shape)
    },
    params: source.params as unknown as NonNullable<ShapeStreamOptions['params']>,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    fetchClient: watchFetch(options.fetchClient, options.network, describeShape(source), status),
    parser: parser as unknown as NonNullable<ShapeStreamOptions['parser']>,
    columnMapper: createColumnMapper(
      Object.fromEntries(properties.map(([property, { name }]) => [name, property])),
    ),
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

/** The connection broke while a good answer was being read: asking again will do. */
function isHalfAnswer(error: unknown): boolean {
  return error instanceof FetchError && error.status >= 200 && error.status < 300
}

/** What is to be known of a stream while it runs. */
interface Watched {
  readonly source: ShapeSource
  readonly status: WritableSyncStatus
  readonly evidence: SyncEvidence
  readonly stop: StreamStop
  readonly visibility: PageVisibility
  readonly overlay: (params: SyncOverlay['params']) => SyncOverlay
  /** Told, at each start, how to end the stream and take all rows out. */
  readonly offerEmpty: (empty: () => void) => void
}

/**
 * Listens to a collection's stream from its start to its end.
 *
 * Synced rows are applied even while a write is on its way (`immediate`). TanStack DB would hold
 * them back until no write is pending, so one slow write would freeze what others do in this
 * collection; the rows of the write itself stay on top either way.
 */
function watchSync(sync: SyncConfig<Row>, watched: Watched): SyncConfig<Row> {
  const { source, status, evidence, stop, visibility, overlay } = watched
  return {
    ...sync,
    sync(params) {
      const { collection } = params
      evidence.start()
      status.update({ status: 'loading', lastError: null, isUpToDate: false, isStopped: false })
      const stopListening = collection.on('status:change', (event) =>
        status.update({ status: event.status }),
      )
      const begin = () => params.begin({ immediate: true })
      const overlaid = overlay({ ...params, begin } as unknown as SyncOverlay['params'])
      const over = overlaid.params as unknown as typeof params
      const running = startStream(() => sync.sync(over), source, status)
      source.onLiveChange(true)
      let ended = false
      const end = () => {
        // Once: of a sign-out, and later of the clean-up of what was shown then.
        if (ended) return
        ended = true
        watched.offerEmpty(() => {})
        stopRunning(running)
        visibility.end()
        overlaid.stop()
        stopListening()
        stop.end()
        evidence.stop()
        status.update(ENDED)
        source.onLiveChange(false)
      }
      watched.offerEmpty(() => {
        end()
        begin()
        params.truncate()
        params.commit()
      })
      observeMessages(collection.utils as ElectricUtils, status, evidence)
      return { cleanup: end }
    },
  }
}

const ENDED = {
  status: 'cleaned-up',
  isUpToDate: false,
  isStopped: false,
  handle: null,
  offset: null,
} as const

type RunningSync = ReturnType<SyncConfig<Row>['sync']>

function startStream(
  start: () => RunningSync,
  source: ShapeSource,
  status: WritableSyncStatus,
): RunningSync {
  try {
    return start()
  } catch (error) {
    const lastError = toStreamError(error, describeShape(source))
    status.update({ status: 'error', lastError, isStopped: true })
    throw error
  }
}

function stopRunning(running: RunningSync): void {
  if (typeof running === 'function') running()
  else running?.cleanup?.()
}

interface ElectricUtils {
  awaitMatch(observe: (message: StreamMessage) => boolean, timeout: number): Promise<boolean>
}

/** A match that never matches sees every message; it ends with the stream. */
function observeMessages(
  utils: ElectricUtils,
  status: WritableSyncStatus,
  evidence: SyncEvidence,
): void {
  const observe = (message: StreamMessage) => {
    evidence.observe(message)
    if (message.headers.control === 'must-refetch') status.update({ isUpToDate: false })
    if (message.headers.control === 'up-to-date') {
      status.update({ isUpToDate: true, lastSyncedAt: new Date(), lastError: null })
    }
    return false
  }
  utils.awaitMatch(observe, FOR_EVER_MS).catch(() => undefined)
}
