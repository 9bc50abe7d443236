import { BasicIndex, createCollection } from '@tanstack/db'
import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../../errors.ts'
import type { TimelineEvent } from '../../schema/timeline-event.ts'
import { MAX_WINDOW_EVENTS } from '../../shapes/timeline-window.ts'
import type { RowCollection, SyncedCollection } from '../electric.ts'
import { createPart, loadPatiently, prefetch } from '../part.ts'
import { createSyncStatus, type SyncStatusStore } from '../sync-status.ts'
import type { EventSync, TimelineWindows } from './timeline-windows.ts'

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
   * @returns resolves when they are there; rejects with a `SessionDbError` when a stream has stopped,
   *   or `unavailable` when what opens streams cannot be loaded.
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

const windowsPart = /* @__PURE__ */ createPart(
  'What shows long timelines',
  () => import('./timeline-windows.ts'),
)

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
  prefetch(windowsPart)
  let sync: EventSync | undefined
  let windows: TimelineWindows | undefined
  let closings = 0
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

  return {
    events,
    status: { get: status.get, subscribe: status.subscribe },
    async show(fromSeq, toSeq) {
      const before = closings
      const { createTimelineWindows } = await loadPatiently(windowsPart)
      // Closed meanwhile: nobody would close what is opened now.
      if (closings !== before) return
      windows ??= createTimelineWindows({
        openWindow,
        windowSize,
        maxWindows,
        status,
        sync: () => sync,
      })
      await windows.show(fromSeq, toSeq)
    },
    async close() {
      closings += 1
      await windows?.close()
    },
  }
}
