/** One message of a shape stream, as far as confirming writes goes. */
export interface StreamMessage {
  readonly headers: Readonly<Record<string, unknown>>
  readonly value?: Readonly<Record<string, unknown>>
}

/** Remembers what a shape stream has shown, to tell when a write has come back. */
export interface SyncEvidence {
  /** Forgets everything: a new stream begins. */
  start(): void
  /** Takes in one message. What it shows counts from the next `up-to-date` on. */
  observe(message: StreamMessage): void
  /** The stream is over: nobody needs to wait for it any more. */
  stop(): void
  /**
   * Resolves once `isDue` says so of what has been shown, or this collection is no longer synced, or
   * on abort.
   */
  wait(isDue: (shown: Shown) => boolean, signal?: AbortSignal): Promise<void>
  /** What has been shown so far. */
  readonly shown: Shown
}

/** What a stream has shown since it began: the last 2,000 of each, oldest first. */
export interface Shown {
  /** 32-bit transaction ids. */
  readonly txids: ReadonlyMap<number, true>
  /** Versions of rows by id; 0 for a row without one. */
  readonly versions: ReadonlyMap<string, number>
  /** The headers at the end of the newest full snapshot. */
  readonly snapshot: StreamMessage['headers'] | undefined
}

const REMEMBERED = 2_000

interface Waiter {
  readonly isDue: (shown: Shown) => boolean
  readonly resolve: () => void
}

/** Creates the memory of one collection's stream. What it says of a write `isConfirmed` knows. */
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
      // The snapshot of rows moving in says nothing about the rows that were here before.
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

/** Keeps of a row only what confirms a write, so that a large snapshot is not held twice. */
function trimmed({ headers, value }: StreamMessage): StreamMessage {
  return { headers, value: { id: value?.id, version: value?.version } }
}

function txidsOf({ headers }: StreamMessage): number[] {
  return Array.isArray(headers.txids) ? headers.txids.map((txid) => Number(txid) >>> 0) : []
}

/** Makes it the newest entry, and forgets the oldest. */
function remember<Key, Value>(memory: Map<Key, Value>, key: Key, value: Value): void {
  memory.delete(key)
  memory.set(key, value)
  if (memory.size <= REMEMBERED) return
  for (const oldest of memory.keys()) {
    memory.delete(oldest)
    return
  }
}
