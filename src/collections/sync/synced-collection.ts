import type { Row } from '@electric-sql/client'
import {
  BasicIndex,
  type Collection,
  type CollectionConfig,
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
import {
  createSyncStatus,
  ENDED,
  LOADING,
  upToDateNow,
  type WritableSyncStatus,
} from './sync-status.ts'
import { registerStream, type SyncStream, type TableRef } from './sync-stream.ts'
import { showWhilePending, startWhenRead } from './tanstack-versions.ts'

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
  mutable: MutableOptions = { handlers: {} },
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
    shapeOptions: streamOptions(
      source,
      options,
      { status, stop, visibility },
      mutable.table?.name ?? source.shape,
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
  const synced: SyncedCollection<Synced> = assembleCollection(
    { ...electric, sync },
    options.gcTime,
    mutable,
    {
      collectionId: source.collectionId,
      shape: describeShape(source),
      shapeName: source.shape,
      audience: () => source.route?.chosen() ?? source.params.audience,
      evidence,
      status,
      restart: stop.restart,
      empty() {
        removeRows()
        return cleanUpUnlessShown(synced.collection)
      },
    },
  )
  if (options.initialRows?.startsWhenRead(source)) startWhenRead(synced.collection)
  return synced
}

/**
 * Creates a collection that is writable through its handlers, and registers its stream.
 *
 * @param config how the collection syncs
 */
export function assembleCollection<Synced extends object>(
  config: { readonly id?: string; readonly getKey: unknown; readonly sync: unknown },
  gcTime: number | undefined,
  { table, schema, handlers }: MutableOptions,
  stream: Omit<SyncStream, 'table' | 'rows' | 'isLive' | 'cleanup'>,
): SyncedCollection<Synced> {
  const get = (id: string) => collection.get(id) as Record<string, unknown> | undefined
  const collection = createCollection({
    ...config,
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    ...(gcTime === undefined ? {} : { gcTime }),
    ...handlers,
    ...(schema && { schema: schema(get) }),
  } as unknown as CollectionConfig<Synced, string>) as unknown as RowCollection<Synced>
  const synced: SyncedCollection<Synced> = {
    ...stream,
    collection,
    ...(table && { table }),
    rows: () => collection.size,
    isLive: () => collection.status === 'loading' || collection.status === 'ready',
    async cleanup() {
      await untilQueriesEnd(collection)
      await collection.cleanup()
    },
  }
  registerStream(collection, synced)
  return synced
}

/** Live queries of a component that has just unmounted end after a timer and an idle moment. */
const QUERY_END_TURNS = 40
const TURN_MS = 5
// Also where a test fakes timers and clocks.
const { setTimeout: later } = globalThis

/**
 * Waits for live queries that are about to end, since each would print an error if its source were cleaned up before
 * it. Queries that go on do not hold the cleanup up for long.
 */
async function untilQueriesEnd(
  collection: Pick<RowCollection<object>, 'subscriberCount'>,
): Promise<void> {
  for (let turn = 0; turn < QUERY_END_TURNS && collection.subscriberCount > 0; turn++) {
    await new Promise((resolve) => later(resolve, TURN_MS))
  }
}

/**
 * Cleans up a collection without subscribers. Live queries would warn on the console if the collection they
 * show were cleaned up; it is collected like any other when they end.
 */
export function cleanUpUnlessShown(
  collection: Pick<RowCollection<object>, 'subscriberCount' | 'cleanup'>,
): Promise<void> {
  return collection.subscriberCount > 0 ? Promise.resolve() : collection.cleanup()
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
      status.update(LOADING)
      const stopListening = collection.on('status:change', (event) =>
        status.update({ status: event.status }),
      )
      const seeded = rows && showInitialRows(params as unknown as SyncParams, rows)
      const overlaid = overlay(seeded ?? (params as unknown as SyncParams))
      const kept = withoutHeaders(overlaid.params)
      const start = () => sync.sync(kept as unknown as typeof params)
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

/**
 * Drops the headers that Electric's collection writes with each row. TanStack DB would keep them for mutation
 * handlers, and nothing here reads them: a sixth of the memory of a client with many small rows.
 */
function withoutHeaders(params: SyncParams): SyncParams {
  return {
    ...params,
    write(message) {
      // A copy of each row's message would take time.
      Object.assign(message, { metadata: undefined })
      params.write(message)
    },
  }
}

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
