import type { LiveState } from '../live/client/live-answer.ts'
import type { Outbox, OutboxStatus } from './outbox/outbox.ts'
import type { SyncStatus } from './sync/sync-status.ts'
import type { SyncStream } from './sync/sync-stream.ts'

/** The state of `createSessionCollections` at one time, for the devtools. */
export interface Inspection {
  readonly collections: readonly InspectedCollection[]
  /** Batches that the server has not answered. */
  readonly pendingBatches: number
  /** Null without an outbox. */
  readonly outbox: OutboxStatus | null
  readonly live: LiveState
}

/** One collection and its stream. */
export interface InspectedCollection {
  readonly id: string
  /** Name and parameters of the shape. */
  readonly shape: string
  /** The audience of the shape's requests; null for a union of several, and where there is none. */
  readonly audience: string | null
  readonly rows: number
  readonly status: SyncStatus
}

/**
 * The property of the collections that holds their `inspect`. A registered symbol, so that the devtools
 * share no code with the library's bundle.
 */
const INSPECT = Symbol.for('@org/session-db/inspect')

/** Lets the devtools inspect these collections. */
export function makeInspectable(
  db: object,
  parts: {
    readonly streams: () => readonly SyncStream[]
    readonly pendingBatches: () => number
    readonly outbox: Outbox | undefined
    readonly live: () => LiveState
  },
): void {
  const inspect = (): Inspection => ({
    collections: parts.streams().map((stream) => ({
      id: stream.collectionId,
      shape: stream.shape,
      audience: stream.audience?.() ?? null,
      rows: stream.rows(),
      status: stream.status.get(),
    })),
    pendingBatches: parts.pendingBatches(),
    outbox: parts.outbox?.status.get() ?? null,
    live: parts.live(),
  })
  Object.defineProperty(db, INSPECT, { value: inspect })
}

/** Returns the state of collections; undefined for any other object. */
export function inspect(db: object): Inspection | undefined {
  const read = (db as { readonly [INSPECT]?: () => Inspection })[INSPECT]
  return read?.()
}
