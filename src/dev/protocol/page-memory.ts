/** Where pages of full size get their memory from. */
export interface PageMemory {
  /** Bytes of a piece. */
  readonly pageBytes: number
  /** A piece with anything in it. */
  take(): Uint8Array<ArrayBuffer>
  /** Has a piece used again: nobody may read or write it any more. Pieces of other sizes are left alone. */
  putBack(memory: ArrayBuffer): void
}

/** Room for the last message, and for what joins messages. */
const slack = 65_536
const joinShare = 1 / 64

/**
 * Memory as it is, where the platform has it: only what has been written is ever read, and zeroing tens of
 * megabytes first costs as much as writing them.
 */
export const allocate: (count: number) => Uint8Array<ArrayBuffer> =
  typeof Buffer === 'undefined'
    ? (count) => new Uint8Array(count)
    : (count) => new Uint8Array(Buffer.allocUnsafeSlow(count).buffer)

/**
 * Creates memory for pages. The first touch of fresh memory can cost several times what is then written to
 * it, so the pages of snapshots that are gone make room for those of the next. They are held weakly: whenever
 * the garbage collector comes first, it has them.
 *
 * @param chunkBytes - the size with which pages are closed.
 * @example
 * const memory = createPageMemory(10_485_760)
 * const bytes = memory.take()
 * memory.putBack(bytes.buffer)
 */
export function createPageMemory(chunkBytes: number): PageMemory {
  const pageBytes = chunkBytes + Math.ceil(chunkBytes * joinShare) + slack
  let free: WeakRef<ArrayBuffer>[] = []
  return {
    pageBytes,
    take() {
      for (let last = free.pop(); last; last = free.pop()) {
        const memory = last.deref()
        if (memory) return new Uint8Array(memory)
      }
      return allocate(pageBytes)
    },
    putBack(memory) {
      if (memory.byteLength !== pageBytes) return
      free = free.filter((piece) => piece.deref() !== undefined)
      free.push(new WeakRef(memory))
    },
  }
}
