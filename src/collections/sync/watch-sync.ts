import type { Row } from '@electric-sql/client'
import type { SyncConfig } from '@tanstack/db'
import { toStreamError } from './stream-error.ts'
import { describeShape, type StreamWatch } from './stream-options.ts'
import type { SyncOverlay } from './streamed-messages.ts'
import type { StreamMessage, SyncEvidence } from './sync-evidence.ts'
import { upToDateNow, type WritableSyncStatus } from './sync-status.ts'
import type { ShapeSource } from './synced-collection.ts'

/** The longest delay a timer takes, in ms: for ever, as far as a page is concerned. */
const FOR_EVER_MS = 2 ** 31 - 1

/** What is to be known of a stream while it runs. */
export interface Watched extends StreamWatch {
  readonly source: ShapeSource
  readonly evidence: SyncEvidence
  readonly overlay: (params: SyncOverlay['params']) => SyncOverlay
  /** Told, at each start, how to end the stream and take all rows out. */
  readonly offerEmpty: (empty: () => void) => void
  /** Told when syncing starts and when it ends. */
  readonly onLiveChange: (live: boolean) => void
}

/**
 * Listens to a collection's stream from its start to its end.
 *
 * Synced rows are applied even while a write is on its way (`immediate`). TanStack DB would hold
 * them back until no write is pending, so one slow write would freeze what others do in this
 * collection; the rows of the write itself stay on top either way.
 */
export function watchSync(sync: SyncConfig<Row>, watched: Watched): SyncConfig<Row> {
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
      watched.onLiveChange(true)
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
        watched.onLiveChange(false)
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
    if (message.headers.control === 'up-to-date') status.update(upToDateNow())
    return false
  }
  utils.awaitMatch(observe, FOR_EVER_MS).catch(() => undefined)
}
