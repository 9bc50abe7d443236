import type { Row } from '@electric-sql/client'
import {
  BasicIndex,
  type Collection,
  createCollection,
  type NonSingleResult,
  type StandardSchema,
  type SyncConfig,
  type UtilsRecord,
} from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import { showInitialRows } from './initial-rows.ts'
import { createPageVisibility } from './page-visibility.ts'
import { toStreamError } from './stream-error.ts'
import {
  createStreamStop,
  describeShape,
  type ShapeSource,
  type StreamOptions,
  type StreamWatch,
  streamOptions,
} from './stream-options.ts'
import type { CreateSyncOverlay, SyncParams } from './streamed-messages.ts'
import { createSyncEvidence, type StreamMessage, type SyncEvidence } from './sync-evidence.ts'
import { createSyncStatus, upToDateNow, type WritableSyncStatus } from './sync-status.ts'
import { registerStream, type SyncStream, type TableRef } from './sync-stream.ts'
import { showWhilePending } from './tanstack-versions.ts'

/** A row of any synced collection. */
export interface SyncedRow {
  readonly id: string
}

// biome-ignore-start lint/suspicious/noExplicitAny: TanStack DB's Collection is invariant in its schema and input.
/**
 * A live collection of rows by key.
 *
 * @typeParam Input what `insert` takes and the draft of `update` offers
 */
export type RowCollection<Synced extends object, Input extends object = any> = Collection<
  Synced,
  string,
  UtilsRecord,
  any,
  Input
> &
  NonSingleResult
// biome-ignore-end lint/suspicious/noExplicitAny: as above

/** The options that make a collection writable by `insert`, `update` and `delete`. */
export interface MutableOptions {
  readonly table?: TableRef
  /** Creates the schema that validates mutations. */
  readonly schema?: (
    get: (id: string) => Record<string, unknown> | undefined,
  ) => StandardSchema<Record<string, unknown>>
  readonly handlers: {
    readonly [Name in 'onInsert' | 'onUpdate' | 'onDelete']?: (params: {
      readonly transaction: unknown
    }) => Promise<void>
  }
}

/** A collection together with its stream. */
export interface SyncedCollection<Synced extends object> extends SyncStream {
  readonly collection: RowCollection<Synced>
}

/**
 * Creates the collection of one shape. Fetching starts with the first subscription or preload, and
 * ends when the collection has had no subscribers for `gcTime`.
 *
 * @param mutable makes the collection writable; it is read-only unless given
 * @param overlay changes what the stream writes into the collection
 */
export function createSyncedCollection<Synced extends object>(
  source: ShapeSource,
  options: StreamOptions,
  { table, schema, handlers }: MutableOptions = { handlers: {} },
  overlay: CreateSyncOverlay = (params) => ({ params, stop() {} }),
): SyncedCollection<Synced> {
  const status = createSyncStatus()
  const evidence = createSyncEvidence()
  const stop = createStreamStop()
  const visibility = createPageVisibility()
  let removeRows = () => {}
  let leaveRoute = () => {}
  const electric = electricCollectionOptions<Row>({
    id: source.collectionId,
    getKey: (row) => keyOf(row, source.key),
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    ...(options.gcTime === undefined ? {} : { gcTime: options.gcTime }),
    shapeOptions: streamOptions(
      source,
      options,
      { status, stop, visibility },
      table?.name ?? source.shape,
    ),
  })
  const sync = watchSync(electric.sync as SyncConfig<Row>, {
    shape: describeShape(source),
    status,
    evidence,
    stop,
    visibility,
    overlay: (params) => overlay(params, options, source),
    initialRows: () => options.initialRows?.take(source),
    isServer: options.initialRows?.isServer ?? false,
    offerRemoval: (remove) => (removeRows = remove),
    onLiveChange(live) {
      if (live) {
        leaveRoute = source.route?.enter() ?? (() => {})
        options.running.add(synced)
      } else {
        leaveRoute()
        options.running.delete(synced)
      }
      source.onLiveChange?.(live)
    },
  })
  const config = { ...electric, sync, ...handlers }
  const get = (id: string): Record<string, unknown> | undefined => collection.get(id)
  const collection = createCollection({
    ...config,
    ...(schema && { schema: schema(get) }),
  } as typeof config)
  const synced: SyncedCollection<Synced> = {
    collection: collection as unknown as RowCollection<Synced>,
    collectionId: source.collectionId,
    shape: describeShape(source),
    shapeName: source.shape,
    ...(table && { table }),
    evidence,
    status,
    rows: () => collection.size,
    isLive: () => collection.status === 'loading' || collection.status === 'ready',
    restart: stop.restart,
    cleanup: () => collection.cleanup(),
    empty() {
      removeRows()
      // Live queries would warn on the console if the collection they show were cleaned up.
      // Without subscribers it is collected like any other.
      return collection.subscriberCount > 0 ? Promise.resolve() : collection.cleanup()
    },
  }
  registerStream(collection, synced)
  return synced
}

/** Returns the value of a single key property as text, or several as a JSON list. */
function keyOf(row: Row, key: readonly string[]): string {
  const [property = 'id', ...more] = key
  if (more.length === 0) return String(row[property])
  return JSON.stringify(key.map((name) => String(row[name])))
}

interface Watched extends StreamWatch {
  readonly shape: string
  readonly evidence: SyncEvidence
  readonly overlay: (params: SyncParams) => ReturnType<CreateSyncOverlay>
  /** Called at each start. */
  readonly initialRows: () => readonly object[] | undefined
  readonly isServer: boolean
  /** Called at each start with the function that ends the stream and removes all rows. */
  readonly offerRemoval: (remove: () => void) => void
  readonly onLiveChange: (live: boolean) => void
}

/** Observes a collection's stream from its start to its end. */
function watchSync(sync: SyncConfig<Row>, watched: Watched): SyncConfig<Row> {
  const { shape, status, evidence, stop, visibility, overlay, isServer } = watched
  return {
    ...sync,
    sync(given) {
      const params = showWhilePending(given)
      const { collection } = params
      const rows = watched.initialRows()
      if (isServer) {
        showInitialRows(params as unknown as SyncParams, rows ?? [])
        status.update({ status: 'ready' })
        return { cleanup: () => status.update(ENDED) }
      }
      evidence.start()
      status.update({
        status: 'loading',
        lastError: null,
        isUpToDate: false,
        isStopped: false,
        isRestored: false,
      })
      const stopListening = collection.on('status:change', (event) =>
        status.update({ status: event.status }),
      )
      const seeded = rows && showInitialRows(params as unknown as SyncParams, rows)
      const overlaid = overlay(seeded ?? (params as unknown as SyncParams))
      const start = () => sync.sync(overlaid.params as unknown as typeof params)
      const running = startStream(start, shape, status)
      watched.onLiveChange(true)
      let ended = false
      const end = () => {
        // After a sign-out the clean-up calls it a second time.
        if (ended) return
        ended = true
        watched.offerRemoval(() => {})
        stopRunning(running)
        visibility.end()
        overlaid.stop()
        stopListening()
        stop.end()
        evidence.stop()
        status.update(ENDED)
        watched.onLiveChange(false)
      }
      watched.offerRemoval(() => {
        end()
        params.begin()
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
  shape: string,
  status: WritableSyncStatus,
): RunningSync {
  try {
    return start()
  } catch (error) {
    status.update({ status: 'error', lastError: toStreamError(error, shape), isStopped: true })
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

/** The longest delay of a timer, in ms. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** Observes every message by waiting for a match that never comes; the wait ends with the stream. */
function observeMessages(
  utils: ElectricUtils,
  status: WritableSyncStatus,
  evidence: SyncEvidence,
): void {
  const observe = (message: StreamMessage) => {
    evidence.observe(message)
    if (message.headers.control === 'must-refetch') status.update({ isUpToDate: false })
    if (message.headers.control === 'up-to-date') status.update(upToDateNow())
    return false
  }
  utils.awaitMatch(observe, LONGEST_DELAY_MS).catch(() => undefined)
}
