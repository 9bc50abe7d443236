/** A row as an answered write left it: seen in the stream once its version is at least this. */
export interface ExpectedRow {
  readonly id: string
  /** 0 for a row without versions: then it is enough that it is there. */
  readonly version: number
}

/** What one write should become visible as, in one collection. */
export interface ExpectedWrite {
  /** 32-bit transaction id. */
  readonly txid: number
  /** Rows the write left in this collection; empty when it only deleted or touched by trigger. */
  readonly rows: readonly ExpectedRow[]
}

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
  /** Resolves once the write is visible here, or this collection is no longer synced, or on abort. */
  wait(write: ExpectedWrite, signal?: AbortSignal): Promise<void>
  /** Transaction ids seen last, oldest first. */
  recentTxids(): number[]
}

const REMEMBERED = 2_000
const REPORTED = 10

interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
  readonly xip: readonly bigint[]
}

interface Waiter extends ExpectedWrite {
  readonly resolve: () => void
}

/**
 * Creates the memory of one collection's stream. A write is confirmed by its txid in the log, by a
 * full snapshot taken after it, or by its rows in their new version (rows that move into a shape
 * carry no txid). Transaction ids compare modulo 2^32 and snapshots epoch-aware, so nothing is
 * confirmed early after a wraparound. It remembers the last 2,000 txids and rows, no more.
 */
export function createSyncEvidence(): SyncEvidence {
  const txids = new Set<number>()
  const versions = new Map<string, number>()
  const waiters = new Set<Waiter>()
  let snapshot: Snapshot | undefined
  let running = false
  let loading = true

  const isConfirmed = (write: ExpectedWrite) =>
    txids.has(write.txid) ||
    (snapshot !== undefined && isVisible(write.txid, snapshot)) ||
    (write.rows.length > 0 &&
      write.rows.every(({ id, version }) => (versions.get(id) ?? -1) >= version))

  const release = (isDue: (waiter: Waiter) => boolean) => {
    for (const waiter of waiters) {
      if (!isDue(waiter)) continue
      waiters.delete(waiter)
      waiter.resolve()
    }
  }

  let unpublished: StreamMessage[] = []

  const publish = () => {
    for (const message of unpublished) {
      for (const txid of txidsOf(message)) remember(txids, txid)
      rememberVersion(versions, message)
      snapshot = snapshotOf(message) ?? snapshot
    }
    unpublished = []
    loading = false
    release(isConfirmed)
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
    wait(write, signal) {
      if (!running || isConfirmed(write)) return Promise.resolve()
      return new Promise((resolve) => {
        const waiter = { ...write, resolve }
        waiters.add(waiter)
        signal?.addEventListener('abort', () => release((other) => other === waiter))
      })
    },
    recentTxids: () => [...txids].slice(-REPORTED),
  }
}

/** Keeps of a row only what confirms a write, so that a large snapshot is not held twice. */
function trimmed({ headers, value }: StreamMessage): StreamMessage {
  return { headers, value: { id: value?.id, version: value?.version } }
}

function txidsOf({ headers }: StreamMessage): number[] {
  return Array.isArray(headers.txids) ? headers.txids.map((txid) => Number(txid) >>> 0) : []
}

function remember(txids: Set<number>, txid: number): void {
  txids.delete(txid)
  txids.add(txid)
  dropOldest(txids)
}

function rememberVersion(versions: Map<string, number>, { value }: StreamMessage): void {
  if (typeof value?.id !== 'string') return
  versions.delete(value.id)
  versions.set(value.id, typeof value.version === 'number' ? value.version : 0)
  dropOldest(versions)
}

function dropOldest(memory: Set<number> | Map<string, number>): void {
  if (memory.size <= REMEMBERED) return
  for (const key of memory.keys()) {
    ;(memory as Set<unknown>).delete(key)
    return
  }
}

function snapshotOf({ headers }: StreamMessage): Snapshot | undefined {
  if (headers.control !== 'snapshot-end') return undefined
  const xip = Array.isArray(headers.xip_list) ? headers.xip_list : []
  return { xmin: toBigInt(headers.xmin), xmax: toBigInt(headers.xmax), xip: xip.map(toBigInt) }
}

function toBigInt(value: unknown): bigint {
  return BigInt(value as string | number)
}

/** A snapshot counts in 64 bits, a txid in 32: take the epoch that is nearest to the snapshot. */
function isVisible(txid: number, { xmin, xmax, xip }: Snapshot): boolean {
  const xid = xmax + BigInt.asIntN(32, BigInt(txid) - xmax)
  return xid < xmin || (xid < xmax && !xip.includes(xid))
}
