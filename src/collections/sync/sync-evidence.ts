/** A message of a shape stream, as far as confirming writes depends on it. */
export interface StreamMessage {
  readonly headers: Readonly<Record<string, unknown>>
  readonly value?: Readonly<Record<string, unknown>>
}

/** Remembers what a shape stream has shown, to recognise when a write has come back. */
export interface SyncEvidence {
  /** Forgets everything: a new stream begins. */
  start(): void
  /** Records one message. It counts from the next `up-to-date` on. */
  observe(message: StreamMessage): void
  /** Ends the stream and every wait for it. */
  stop(): void
  /**
   * Resolves once `isDue` returns true for what has been shown, when the collection stops syncing, or
   * on abort.
   */
  wait(isDue: (shown: Shown) => boolean, signal?: AbortSignal): Promise<void>
  readonly shown: Shown
}

/** The evidence of a stream since its start: the last 2,000 of each kind, oldest first. */
export interface Shown {
  /** 32-bit transaction ids. */
  readonly txids: ReadonlyMap<number, true>
  /** Versions of rows by id; 0 for a row without one. */
  readonly versions: ReadonlyMap<string, number>
  /** The headers at the end of the newest full snapshot. */
  readonly snapshot: StreamMessage['headers'] | undefined
}

/** Returns the evidence of several streams together. */
export function combinedShown(all: readonly Shown[]): Shown {
  return {
    txids: new Map(all.flatMap(({ txids }) => [...txids])),
    versions: new Map(all.flatMap(({ versions }) => [...versions])),
    snapshot: all.find(({ snapshot }) => snapshot !== undefined)?.snapshot,
  }
}

const REMEMBERED = 2_000

interface Waiter {
  readonly isDue: (shown: Shown) => boolean
  readonly resolve: () => void
}

/** Creates the evidence of one collection's stream, which `isConfirmed` evaluates. */
export function createSyncEvidence(): SyncEvidence {
  const txids = new Map<number, true>()
  const versions = new Map<string, number>()
  const waiters = new Set<Waiter>()
  let snapshot: StreamMessage['headers'] | undefined
  let running = false
  let loading = true

  const shown: Shown = {
    txids,
    versions,
    get snapshot() {
      return snapshot
    },
  }

  const release = (isOver: (waiter: Waiter) => boolean) => {
    for (const waiter of waiters) {
      if (!isOver(waiter)) continue
      waiters.delete(waiter)
      waiter.resolve()
    }
  }

  let unpublished: StreamMessage[] = []

  const publish = () => {
    for (const message of unpublished) {
      for (const txid of txidsOf(message)) remember(txids, txid, true)
      const { id, version } = message.value ?? {}
      if (typeof id === 'string') remember(versions, id, typeof version === 'number' ? version : 0)
      if (message.headers.control === 'snapshot-end') snapshot = message.headers
    }
    unpublished = []
    loading = false
    release(({ isDue }) => isDue(shown))
  }

  return {
    start() {
      txids.clear()
      versions.clear()
      snapshot = undefined
      running = true
      loading = true
      unpublished = []
    },
    observe(message) {
      const control = message.headers.control
      if (control === 'up-to-date') return publish()
      if (control === 'must-refetch') {
        unpublished = []
        loading = true
        return
      }
      // A snapshot of rows moving in does not cover the rows that were there before.
      if (control === 'snapshot-end' && !loading) return
      unpublished.push(message.value === undefined ? message : trimmed(message))
    },
    stop() {
      running = false
      unpublished = []
      release(() => true)
    },
    wait(isDue, signal) {
      if (!running || isDue(shown)) return Promise.resolve()
      return new Promise((resolve) => {
        const waiter = { isDue, resolve }
        waiters.add(waiter)
        signal?.addEventListener('abort', () => release((other) => other === waiter))
      })
    },
    shown,
  }
}

/** Keeps only what confirms a write, so that a large snapshot is not held twice. */
function trimmed({ headers, value }: StreamMessage): StreamMessage {
  return { headers, value: { id: value?.id, version: value?.version } }
}

function txidsOf({ headers }: StreamMessage): number[] {
  return Array.isArray(headers.txids) ? headers.txids.map((txid) => Number(txid) >>> 0) : []
}

/** Adds or renews an entry as the newest, and drops the oldest beyond the limit. */
function remember<Key, Value>(memory: Map<Key, Value>, key: Key, value: Value): void {
  memory.delete(key)
  memory.set(key, value)
  if (memory.size <= REMEMBERED) return
  for (const oldest of memory.keys()) {
    memory.delete(oldest)
    return
  }
}
