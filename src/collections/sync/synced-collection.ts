import type { Row, ShapeStreamOptions } from '@electric-sql/client'
import {
  BasicIndex,
  type Collection,
  createCollection,
  type NonSingleResult,
  type SyncConfig,
} from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import { SessionDbError } from '../../errors.ts'
import type { ColumnMap } from '../../schema/columns.ts'
import type { Network } from './network.ts'
import { createPageVisibility } from './page-visibility.ts'
import { describeShape, streamOptions } from './stream-options.ts'
import { createStreamStop } from './stream-stop.ts'
import type { CreateSyncOverlay } from './streamed-messages.ts'
import { createSyncEvidence, type SyncEvidence } from './sync-evidence.ts'
import { createSyncStatus, type SyncStatusStore } from './sync-status.ts'
import { type Watched, watchSync } from './watch-sync.ts'

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
  /** The streams that run now, of every collection. */
  readonly running: Set<SyncStream>
  /** Hears of every error that ends a stream. */
  readonly onError?: (error: SessionDbError) => void
}

/** Which shape a collection holds. */
export interface ShapeSource {
  /** Unique among all collections of the page. */
  readonly collectionId: string
  readonly shape: string
  readonly params: Readonly<Record<string, string>>
  /** Those of a shape of the app's own; the library's name their properties themselves. */
  readonly columns?: ColumnMap
  /** What shows on top of the shape's rows; nothing unless given. */
  readonly overlay?: CreateSyncOverlay
  /** The properties that tell its rows apart. */
  readonly key: readonly string[]
  /** Called when syncing starts and when it ends. */
  readonly onLiveChange?: (live: boolean) => void
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
  /** Stops syncing and forgets the rows. */
  cleanup(): Promise<void>
}

/** A collection together with its stream. */
export interface SyncedCollection<Synced extends object> extends SyncStream {
  readonly collection: RowCollection<Synced>
}

const streams = new WeakMap<object, SyncStream>()

/**
 * The stream of a collection.
 *
 * @throws SessionDbError `invalid` for one that was not created here
 */
export function streamOf(collection: { readonly id: string }): SyncStream {
  const stream = streams.get(collection)
  if (stream !== undefined) return stream
  throw new SessionDbError(
    'invalid',
    'This collection has no sync of its own. Give sessions, or a collection of session(id), thread(id) or shape(name).',
  )
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
    onLiveChange(live) {
      if (live) options.running.add(synced)
      else options.running.delete(synced)
      source.onLiveChange?.(live)
    },
  }
  const sync = watchSync(electric.sync as SyncConfig<Row>, watched)
  const collection = createCollection({ ...electric, sync })
  const synced: SyncedCollection<Synced> = {
    collection: collection as unknown as RowCollection<Synced>,
    collectionId: source.collectionId,
    shape,
    evidence,
    status,
    isLive: () => collection.status === 'loading' || collection.status === 'ready',
    restart: stop.restart,
    cleanup: () => collection.cleanup(),
    empty() {
      takeOut()
      // Of a collection that is shown, live queries would say on the console that it went under them.
      // It goes when nobody shows it any more, as any other.
      return collection.subscriberCount > 0 ? Promise.resolve() : collection.cleanup()
    },
  }
  streams.set(collection, synced)
  return synced
}

/** The value of one property as it is; of several, as a JSON list. */
function keyOf(row: Row, key: readonly string[]): string {
  const [property = 'id', ...more] = key
  if (more.length === 0) return String(row[property])
  return JSON.stringify(key.map((name) => String(row[name])))
}
