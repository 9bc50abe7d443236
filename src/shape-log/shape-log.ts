import { afterSnapshot, compareOffsets, type LogOffset } from './offset.ts'
import {
  createSnapshotChunk,
  type MessageWriter,
  maxBytesOf,
  messagesOf,
  textWriter,
} from './snapshot-chunk.ts'

/** One message of the log, already in its wire form. */
export interface LogEntry {
  readonly offset: LogOffset
  readonly json: string
}

/** What one request gets: messages as JSON texts, and where they end. */
export interface LogPage {
  readonly messages: readonly string[]
  /** The same as the bytes of a whole answer, where the log has them so: pages of a snapshot. */
  readonly body?: Uint8Array<ArrayBuffer>
  readonly end: LogOffset
  /** Whether the page reaches the end of the log. */
  readonly complete: boolean
}

export type ShapeState = 'building' | 'live' | 'expired'

/** Why a wait ended. */
export type WaitResult = 'changed' | 'timeout' | 'expired' | 'aborted'

/** The log of one shape: the snapshot in chunks, then changes in commit order. */
export interface ShapeLog {
  readonly handle: string
  readonly state: ShapeState
  /** Why the snapshot failed, once it has. */
  readonly failure: unknown
  /** The offset of the last message, `0_inf` before the first change. */
  readonly lastOffset: LogOffset
  /** What it holds in memory: the snapshot in bytes, changes in characters, what its source keeps for it. */
  readonly size: number
  /** Clients waiting for a change. */
  readonly waiting: number
  addSnapshotMessage(json: string): void
  /** Adds a message of at most `maxBytes` that `write` puts straight into the log's memory. */
  writeSnapshotMessage(maxBytes: number, write: MessageWriter): void
  endSnapshot(controlJson: string): void
  /** Counts memory that the source keeps for this shape beside the log, in bytes, in place of what was counted before. */
  hold(bytes: number): void
  fail(error: unknown): void
  append(entries: readonly LogEntry[]): void
  expire(): void
  hasAfter(offset: LogOffset): boolean
  /** Resolves with the page after `offset`; waits while the snapshot has not got there. */
  read(offset: LogOffset | 'before-all'): Promise<LogPage>
  wait(timeoutMs: number, signal?: AbortSignal): Promise<WaitResult>
}

/** What an entry takes beside its text, roughly. */
const entryOverhead = 150

interface StoredEntry extends LogEntry {
  readonly endsChunk: boolean
}

/**
 * Creates the empty log of a shape.
 *
 * States: `building` until the snapshot has ended, then `live`, and `expired` from any state, for good.
 *
 * @param options.chunkBytes - a page ends with the message that reaches this size.
 * @example
 * const log = createShapeLog({ handle: '1-2', chunkBytes: 10_485_760 })
 * log.addSnapshotMessage('{"key":"1"}')
 * log.endSnapshot('{"headers":{"control":"snapshot-end"}}')
 * const page = await log.read('before-all')
 */
export function createShapeLog(options: { handle: string; chunkBytes: number }): ShapeLog {
  const { handle, chunkBytes } = options
  const chunks: Uint8Array<ArrayBuffer>[] = []
  const entries: StoredEntry[] = []
  const waiters = new Set<(result: WaitResult) => void>()
  const progress = new Set<() => void>()
  let open = createSnapshotChunk({ chunkBytes, first: true })
  let state: ShapeState = 'building'
  let failure: unknown
  let size = 0
  let held = 0
  let openLogSize = 0

  function closeChunk() {
    chunks.push(open.close())
    wake(progress)
  }

  function addToChunk(maxBytes: number, write: MessageWriter) {
    const before = open.size
    open.add(maxBytes, write)
    size += open.size - before
  }

  function writeSnapshotMessage(maxBytes: number, write: MessageWriter) {
    addToChunk(maxBytes, write)
    if (open.size < chunkBytes) return
    closeChunk()
    open = createSnapshotChunk({ chunkBytes, first: false })
  }

  function finish(result: WaitResult) {
    const all = [...waiters]
    waiters.clear()
    for (const waiter of all) waiter(result)
  }

  function readChanges(after: LogOffset): LogPage {
    const start = firstAfter(entries, after)
    let stop = start
    while (stop < entries.length && !entries[stop]?.endsChunk) stop += 1
    const page = entries.slice(start, stop + 1)
    const end =
      page.at(-1)?.offset ?? (compareOffsets(after, afterSnapshot) < 0 ? afterSnapshot : after)
    return {
      messages: page.map((entry) => entry.json),
      end,
      complete: start + page.length >= entries.length,
    }
  }

  async function chunkAt(index: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    while (!chunks[index]) {
      if (failure !== undefined) throw failure
      if (state !== 'building') return undefined
      await new Promise<void>((resolve) => progress.add(resolve))
    }
    return chunks[index]
  }

  return {
    handle,
    get state() {
      return state
    },
    get failure() {
      return failure
    },
    get lastOffset() {
      return entries.at(-1)?.offset ?? afterSnapshot
    },
    get size() {
      return size + held
    },
    get waiting() {
      return waiters.size
    },
    addSnapshotMessage: (json) => writeSnapshotMessage(maxBytesOf(json), textWriter(json)),
    writeSnapshotMessage,
    endSnapshot(controlJson) {
      addToChunk(maxBytesOf(controlJson), textWriter(controlJson))
      closeChunk()
      if (state === 'building') state = 'live'
      wake(progress)
    },
    hold(bytes) {
      held = bytes
    },
    fail(error) {
      failure = error
      state = 'expired'
      wake(progress)
      finish('expired')
    },
    append(added) {
      if (state === 'expired' || added.length === 0) return
      for (const entry of added) {
        openLogSize += entry.json.length
        size += entry.json.length + entryOverhead
        const endsChunk = openLogSize >= chunkBytes
        if (endsChunk) openLogSize = 0
        entries.push({ ...entry, endsChunk })
      }
      finish('changed')
    },
    expire() {
      if (state === 'expired') return
      state = 'expired'
      wake(progress)
      finish('expired')
    },
    hasAfter(offset) {
      const last = entries.at(-1)
      return last !== undefined && compareOffsets(last.offset, offset) > 0
    },
    async read(offset) {
      if (offset === 'before-all' || (offset.tx === 0n && Number.isFinite(offset.op))) {
        const index = offset === 'before-all' ? 0 : offset.op + 1
        const body = await chunkAt(index)
        if (body) return snapshotPage(body, index)
      } else {
        while (state === 'building') await chunkAt(chunks.length)
      }
      return readChanges(offset === 'before-all' ? { tx: 0n, op: 0 } : offset)
    },
    wait(timeoutMs, signal) {
      if (state === 'expired') return Promise.resolve('expired')
      if (signal?.aborted) return Promise.resolve('aborted')
      return new Promise((resolve) => {
        const done = (result: WaitResult) => {
          clearTimeout(timer)
          waiters.delete(done)
          signal?.removeEventListener('abort', abort)
          resolve(result)
        }
        const abort = () => done('aborted')
        const timer: ReturnType<typeof setTimeout> | number = setTimeout(
          () => done('timeout'),
          timeoutMs,
        )
        // A server lives by its sockets; what waits in memory must not keep a test's process alive.
        // In a browser a timer is a number.
        if (typeof timer === 'object') timer.unref()
        signal?.addEventListener('abort', abort)
        waiters.add(done)
      })
    },
  }
}

function snapshotPage(body: Uint8Array<ArrayBuffer>, index: number): LogPage {
  return {
    get messages() {
      return messagesOf(body)
    },
    body,
    end: { tx: 0n, op: index },
    complete: false,
  }
}

function wake(listeners: Set<() => void>) {
  const all = [...listeners]
  listeners.clear()
  for (const listener of all) listener()
}

/** Index of the first entry after `offset`, by binary search: logs grow to many thousands. */
function firstAfter(entries: readonly StoredEntry[], offset: LogOffset): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle] as StoredEntry
    if (compareOffsets(entry.offset, offset) > 0) high = middle
    else low = middle + 1
  }
  return low
}
