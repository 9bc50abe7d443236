import type { Histogram } from 'prom-client'

/** Maximum number of pending writes. The oldest are dropped beyond it. */
const MAX_PENDING = 10_000
/** Characters kept between two chunks, because a txid can be split over both. */
const OVERLAP = 48
// Plain in a single answer, escaped inside a frame of several answers.
const TXIDS = /\\?"txids\\?":\[([\d,]+)\]/g

/** Measures the time from the response to a write until a live response contains its txid. */
export interface SyncDelays {
  /** Starts the measurement of a write. */
  readonly written: (txid: number) => void
  /** Returns a reader for the chunks of one live response. */
  chunkReader(): (chunk: Uint8Array) => void
}

/**
 * Creates the measurement for this process. With several instances it samples the writes whose reader
 * is connected to the same instance.
 */
export function createSyncDelays(histogram: Pick<Histogram, 'observe'>): SyncDelays {
  const pending = new Map<number, number>()

  function arrived(txid: number): void {
    const answered = pending.get(txid)
    if (answered === undefined) return
    pending.delete(txid)
    histogram.observe((performance.now() - answered) / 1_000)
  }

  return {
    written(txid) {
      pending.set(txid, performance.now())
      if (pending.size <= MAX_PENDING) return
      for (const oldest of pending.keys()) {
        pending.delete(oldest)
        return
      }
    },
    chunkReader() {
      const decoder = new TextDecoder()
      let rest = ''
      return (chunk) => {
        if (pending.size === 0) return
        const text = rest + decoder.decode(chunk, { stream: true })
        for (const [, txids = ''] of text.matchAll(TXIDS)) {
          txids.split(',').map(Number).forEach(arrived)
        }
        rest = text.slice(-OVERLAP)
      }
    },
  }
}
