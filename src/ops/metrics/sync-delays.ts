import type { Histogram } from 'prom-client'

/** How many writes are waited for at most; beyond that the oldest are given up. */
const MOST_WAITING = 10_000
/** Characters kept between two chunks, so that a txid cut in two is still read. */
const OVERLAP = 48
// In an answer as it is, or as text inside a frame of several answers.
const TXIDS = /\\?"txids\\?":\[([\d,]+)\]/g

/** Measures from the answer to a write until its transaction id passes in a live answer. */
export interface SyncDelays {
  /** A write has been answered with this transaction id. */
  readonly written: (txid: number) => void
  /** Reads the chunks of one live answer. */
  sawChunk(): (chunk: Uint8Array) => void
}

/**
 * Sees only what passes through this process: with several instances that is a sample, of the writes
 * and live clients which happen to have reached the same one.
 */
export function createSyncDelays(histogram: Pick<Histogram, 'observe'>): SyncDelays {
  const waiting = new Map<number, number>()

  function saw(txid: number): void {
    const answered = waiting.get(txid)
    if (answered === undefined) return
    waiting.delete(txid)
    histogram.observe((performance.now() - answered) / 1_000)
  }

  return {
    written(txid) {
      waiting.set(txid, performance.now())
      if (waiting.size <= MOST_WAITING) return
      for (const oldest of waiting.keys()) {
        waiting.delete(oldest)
        return
      }
    },
    sawChunk() {
      const decoder = new TextDecoder()
      let rest = ''
      return (chunk) => {
        if (waiting.size === 0) return
        const text = rest + decoder.decode(chunk, { stream: true })
        for (const [, txids = ''] of text.matchAll(TXIDS)) txids.split(',').map(Number).forEach(saw)
        rest = text.slice(-OVERLAP)
      }
    },
  }
}
