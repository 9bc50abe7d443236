import { allocate, type PageMemory } from './page-memory.ts'

/** Writes a message as UTF-8 into `target`, from `start` on, and returns where it ends. */
export type MessageWriter = (target: Uint8Array, start: number) => number

/** A page of a snapshot while it is written: the bytes of its answer, `[message\n,message]`. */
export interface SnapshotChunk {
  /** Bytes of the messages, what joins them aside. */
  readonly size: number
  add(maxBytes: number, write: MessageWriter): void
  /** The finished answer; nothing may be added any more. */
  close(): Uint8Array<ArrayBuffer>
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const separator = '\n,'
/** A first page has the next of these sizes whenever it is full, then all it may need. */
const firstCapacities = [2048, 65_536, 1_048_576] as const

/**
 * Creates an empty page.
 *
 * @param options.memory - for pages of the size with which it will be closed, at the latest.
 * @param options.first - a first page grows as needed: most shapes have no other.
 * @example
 * const chunk = createSnapshotChunk({ memory: createPageMemory(10_485_760), first: true })
 * chunk.add(100, textWriter('{"key":"1"}'))
 * chunk.close()
 */
export function createSnapshotChunk(options: {
  memory: PageMemory
  first: boolean
}): SnapshotChunk {
  const { memory } = options
  let bytes = options.first ? allocate(firstCapacities[0]) : memory.take()
  let end = 1
  let size = 0
  let isEmpty = true
  bytes[0] = 0x5b

  function reserve(count: number) {
    const needed = end + count + separator.length + 1
    if (needed <= bytes.length) return
    const next = firstCapacities.find((capacity) => capacity > bytes.length) ?? memory.pageBytes
    const capacity = Math.max(needed, next)
    const grown = capacity === memory.pageBytes ? memory.take() : allocate(capacity)
    grown.set(bytes.subarray(0, end))
    memory.putBack(bytes.buffer)
    bytes = grown
  }

  return {
    get size() {
      return size
    },
    add(maxBytes, write) {
      reserve(maxBytes)
      if (!isEmpty) {
        bytes[end++] = 0x0a
        bytes[end++] = 0x2c
      }
      isEmpty = false
      const start = end
      end = write(bytes, start)
      size += end - start
    },
    close() {
      bytes[end++] = 0x5d
      // Memory that nobody uses is given back where it is worth a copy.
      if (end > bytes.length * 0.9) return bytes.subarray(0, end)
      const page = bytes.slice(0, end)
      memory.putBack(bytes.buffer)
      return page
    },
  }
}

/** The writer of a text, for `maxBytesOf(text)`. */
export function textWriter(text: string): MessageWriter {
  return (target, start) => start + encoder.encodeInto(text, target.subarray(start)).written
}

/** The most bytes a text takes in UTF-8. */
export function maxBytesOf(text: string): number {
  return text.length * 3
}

/** The messages of a closed page. JSON has no line break within a message. */
export function messagesOf(page: Uint8Array): string[] {
  return decoder.decode(page.subarray(1, -1)).split(separator)
}
