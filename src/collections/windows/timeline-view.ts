import { BasicIndex, createCollection, type SyncConfig } from '@tanstack/db'
import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../../errors.ts'
import type { TimelineEvent } from '../../schema/timeline-event.ts'
import { MAX_WINDOW_EVENTS } from '../../shapes/session-shapes.ts'
import {
  createSyncStatus,
  type SyncStatusStore,
  type WritableSyncStatus,
} from '../sync/sync-status.ts'
import type { RowCollection, SyncedCollection } from '../sync/synced-collection.ts'
import { joinStatuses } from './joint-status.ts'

/** A long timeline, of which only what is looked at is loaded. */
export interface TimelineView {
  /**
   * The events that are loaded, live, to query as any collection. Starts empty; it is ready at once.
   */
  readonly events: RowCollection<TimelineEvent>
  /** How the streams are doing: the status of whichever does worst, `idle` before the first `show`. */
  readonly status: SyncStatusStore
  /**
   * Loads the events with these seqs, and keeps them up to date. What was shown before stays until
   * more than `maxWindows` are loaded; then what was not shown for longest goes.
   *
   * @param fromSeq first seq to show.
   * @param toSeq first seq not to show.
   * @returns resolves when they are there; rejects with a `SessionDbError` when a stream has stopped.
   */
  show(fromSeq: number, toSeq: number): Promise<void>
  /** Stops all streams and forgets what was loaded. */
  close(): Promise<void>
}

export interface TimelineViewOptions {
  /** Events per stream; 1,000 unless given. Everybody should use one number: streams are shared. */
  readonly windowSize?: number
  /** Streams that stay open; 12 unless given. */
  readonly maxWindows?: number
}

/** Makes the collection of the events from a seq up to, and not including, another. */
export type OpenWindow = (fromSeq: number, toSeq: number) => SyncedCollection<TimelineEvent>

/**
 * Creates a view: windows of a fixed size, each a bounded shape, whose rows come together in one
 * collection. Windows are aligned, so that everybody who reads a session asks for the same shapes.
 */
export function createTimelineView(
  openWindow: OpenWindow,
  { windowSize = 1_000, maxWindows = 12 }: TimelineViewOptions = {},
): TimelineView {
  if (!Number.isInteger(windowSize) || windowSize < 1 || windowSize > MAX_WINDOW_EVENTS) {
    throw new SessionDbError('invalid', `windowSize must be 1 to ${MAX_WINDOW_EVENTS}.`)
  }
  let sync: EventSync | undefined
  const status = createSyncStatus()
  const events = createCollection<TimelineEvent, string>({
    id: `session-db-timeline-view-${uuidv7()}`,
    getKey: (event) => event.id,
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    startSync: true,
    gcTime: 0,
    sync: {
      sync(params) {
        sync = params
        params.markReady()
      },
    },
  })

  const windows = createTimelineWindows({
    openWindow,
    windowSize,
    maxWindows,
    status,
    sync: () => sync,
  })
  return {
    events,
    status: { get: status.get, subscribe: status.subscribe },
    show: windows.show,
    close: windows.close,
  }
}

/** How events get into the collection of a view. */
type EventSync = Parameters<SyncConfig<TimelineEvent, string>['sync']>[0]

/** What of a timeline is loaded. */
type TimelineWindows = Pick<TimelineView, 'show' | 'close'>

/** What windows open, and where they show it. */
interface WindowsContext {
  readonly openWindow: OpenWindow
  /** Events per window. */
  readonly windowSize: number
  readonly maxWindows: number
  /** Told how the streams are doing. */
  readonly status: WritableSyncStatus
  readonly sync: () => EventSync | undefined
}

interface Window {
  readonly ready: Promise<void>
  close(): Promise<void>
}

/** Creates the windows of one view. */
function createTimelineWindows({
  openWindow,
  windowSize,
  maxWindows,
  status,
  sync,
}: WindowsContext): TimelineWindows {
  // In the order in which they were last shown.
  const windows = new Map<number, Window>()
  const joint = joinStatuses(status)

  function open(index: number): Window {
    const source = openWindow(index * windowSize, (index + 1) * windowSize)
    const { collection } = source
    const held = new Set<string>()
    const subscription = collection.subscribeChanges(
      (changes) => {
        sync()?.begin({ immediate: true })
        for (const { type, value } of changes) {
          const { id } = value
          if (type === 'delete') {
            if (held.delete(id)) sync()?.write({ type, key: id })
          } else {
            sync()?.write({ type: held.has(id) ? 'update' : 'insert', value })
            held.add(id)
          }
        }
        sync()?.commit()
      },
      { includeInitialState: true },
    )
    const drop = () => {
      if (windows.get(index) === window) windows.delete(index)
      sync()?.begin({ immediate: true })
      for (const key of held) sync()?.write({ type: 'delete', key })
      sync()?.commit()
      held.clear()
    }
    // Everything was signed out or cleaned up: its rows must not stay here.
    const stopListening = collection.on('status:cleaned-up', drop)
    const leaveStatus = joint.add(source.status)
    const window: Window = {
      ready: untilReady(source),
      async close() {
        subscription.unsubscribe()
        stopListening()
        leaveStatus()
        drop()
        await collection.cleanup()
      },
    }
    return window
  }

  function use(index: number): Window {
    const known = windows.get(index)
    windows.delete(index)
    const window = known ?? open(index)
    windows.set(index, window)
    return window
  }

  return {
    async show(fromSeq, toSeq) {
      const first = Math.floor(Math.max(0, fromSeq) / windowSize)
      const last = Math.floor(Math.max(fromSeq, toSeq - 1) / windowSize)
      const shown: Window[] = []
      for (let index = first; index <= last; index += 1) shown.push(use(index))
      const keep = Math.max(maxWindows, shown.length)
      for (const [index, window] of [...windows].slice(0, Math.max(0, windows.size - keep))) {
        windows.delete(index)
        void window.close()
      }
      await Promise.all(shown.map(({ ready }) => ready))
    },
    async close() {
      const open = [...windows.values()]
      windows.clear()
      await Promise.all(open.map((window) => window.close()))
    },
  }
}

/** Resolves when the stream has brought what there is; rejects when it has stopped before. */
function untilReady({ collection, status }: SyncedCollection<TimelineEvent>): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    const check = () => {
      const { lastError } = status.get()
      if (collection.isReady() && lastError === null) done(resolve)
      else if (lastError !== null && lastError.code !== 'unavailable') {
        done(() => reject(lastError))
      } else if (collection.status === 'cleaned-up') done(resolve)
    }
    const done = (end: () => void) => {
      unsubscribe()
      end()
    }
    const unsubscribe = status.subscribe(check)
    check()
  })
  ready.catch(() => undefined)
  return ready
}
