import { BasicIndex, createCollection, type SyncConfig } from '@tanstack/db'
import { SessionDbError } from '../../errors.ts'
import type { TimelineEvent } from '../../schema/timeline-event.ts'
import { MAX_WINDOW_EVENTS } from '../../shapes/session-shapes.ts'
import { contextOf, type WithContext } from '../actions/context.ts'
import { createId } from '../create-id.ts'
import { joinStatuses, untilReady } from '../sync/joint-status.ts'
import { createSyncStatus, type SyncStatusStore } from '../sync/sync-status.ts'
import type { RowCollection } from '../sync/synced-collection.ts'
import { showWhilePending } from '../sync/tanstack-versions.ts'

/** A view of a long timeline that loads only the ranges shown. */
export interface TimelineView {
  /** The loaded events, live, to query like any collection. It starts empty and is ready immediately. */
  readonly events: RowCollection<TimelineEvent>
  /** The worst status among the view's streams; `idle` before the first `show`. */
  readonly status: SyncStatusStore
  /**
   * Loads the events of a range and keeps them up to date. Ranges shown earlier stay loaded up to
   * `maxWindows`; beyond that, those not shown for longest are dropped.
   *
   * @param fromSeq first seq to show
   * @param toSeq first seq not to show
   * @returns resolves when the events are loaded; rejects with a `SessionDbError` when a stream stops
   */
  show(fromSeq: number, toSeq: number): Promise<void>
  /** Stops all streams and drops the events. */
  close(): Promise<void>
}

export interface TimelineViewOptions {
  /** Events per stream. Default 1,000. Use the same number everywhere, so that streams are shared. */
  readonly windowSize?: number
  /** Most streams to keep open. Default 12. */
  readonly maxWindows?: number
}

/**
 * Creates a view of a session's timeline that loads only the range shown, for sessions of any length.
 * Close it when it is no longer shown.
 *
 * Each window is a bounded shape of a fixed size, aligned so that all readers of a session request the
 * same shapes.
 *
 * @param db the collections of `createSessionCollections`
 * @param sessionId the session of the events
 * @throws SessionDbError `invalid` for a window size out of bounds
 * @example
 * const view = timelineView(db, sessionId)
 * await view.show(0, 200)
 */
export function timelineView(
  db: WithContext,
  sessionId: string,
  { windowSize = 1_000, maxWindows = 12 }: TimelineViewOptions = {},
): TimelineView {
  const { sources } = contextOf(db)
  if (!Number.isInteger(windowSize) || windowSize < 1 || windowSize > MAX_WINDOW_EVENTS) {
    throw new SessionDbError('invalid', `windowSize must be 1 to ${MAX_WINDOW_EVENTS}.`)
  }
  let sync: EventSync | undefined
  const status = createSyncStatus()
  const joint = joinStatuses(status)
  const events = createCollection<TimelineEvent, string>({
    id: `session-db-timeline-view-${createId()}`,
    getKey: (event) => event.id,
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    startSync: true,
    gcTime: 0,
    sync: {
      sync(params) {
        sync = showWhilePending(params)
        params.markReady()
      },
    },
  })
  // In the order in which they were last shown.
  const windows = new Map<number, Window>()

  function open(index: number): Window {
    const source = sources.timelineWindow(sessionId, index * windowSize, (index + 1) * windowSize)
    const { collection } = source
    const held = new Set<string>()
    const subscription = collection.subscribeChanges(
      (changes) => {
        sync?.begin()
        for (const { type, value } of changes) {
          const { id } = value
          if (type === 'delete') {
            if (held.delete(id)) sync?.write({ type, key: id })
          } else {
            sync?.write({ type: held.has(id) ? 'update' : 'insert', value })
            held.add(id)
          }
        }
        sync?.commit()
      },
      { includeInitialState: true },
    )
    const drop = () => {
      if (windows.get(index) === window) windows.delete(index)
      sync?.begin()
      for (const key of held) sync?.write({ type: 'delete', key })
      sync?.commit()
      held.clear()
    }
    // A sign-out or clean-up of all collections must remove the rows here, too.
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
    events,
    status: { get: status.get, subscribe: status.subscribe },
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

/** The functions that write into the view's collection. */
type EventSync = Parameters<SyncConfig<TimelineEvent, string>['sync']>[0]

interface Window {
  readonly ready: Promise<void>
  close(): Promise<void>
}
