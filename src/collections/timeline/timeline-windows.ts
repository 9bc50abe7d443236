import type { SyncConfig } from '@tanstack/db'
import type { TimelineEvent } from '../../schema/timeline-event.ts'
import type { SyncedCollection } from '../electric.ts'
import { joinStatuses } from '../joint-status.ts'
import type { WritableSyncStatus } from '../sync-status.ts'
import type { OpenWindow, TimelineView } from './timeline-view.ts'

/** How events get into the collection of a view. */
export type EventSync = Parameters<SyncConfig<TimelineEvent, string>['sync']>[0]

/** What of a timeline is loaded. */
export type TimelineWindows = Pick<TimelineView, 'show' | 'close'>

/** What windows open, and where they show it. */
export interface WindowsContext {
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
export function createTimelineWindows({
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
