import { createChangeLog, type LogEntry, type LogPage } from './change-log.ts'
import type { LogOffset } from './offset.ts'
import { createPageMemory, type PageMemory } from './page-memory.ts'
import {
  createSnapshotChunk,
  type MessageWriter,
  maxBytesOf,
  messagesOf,
  textWriter,
} from './snapshot-chunk.ts'
import { createSnapshotPages, type PageLoan } from './snapshot-pages.ts'
import { ShapeFailure } from './source.ts'
import { createWaiters, type WaitResult } from './waiters.ts'

export type ShapeState = 'building' | 'live' | 'expired'

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
  /** Resolves with the page after `offset`; waits while the snapshot has not got there. */
  read(offset: LogOffset | 'before-all'): Promise<LogPage>
  wait(timeoutMs: number, signal?: AbortSignal): Promise<WaitResult>
}

/**
 * Creates the empty log of a shape.
 *
 * States: `building` until the snapshot has ended, then `live`, and `expired` from any state, for good.
 *
 * @param options.chunkBytes - a page ends with the message that reaches this size.
 * @param options.memory - for pages of that size; shared by the logs of a store.
 * @example
 * const log = createShapeLog({ handle: '1-2', chunkBytes: 10_485_760 })
 * log.addSnapshotMessage('{"key":"1"}')
 * log.endSnapshot('{"headers":{"control":"snapshot-end"}}')
 * const page = await log.read('before-all')
 */
export function createShapeLog(options: {
  handle: string
  chunkBytes: number
  memory?: PageMemory
}): ShapeLog {
  const { handle, chunkBytes, memory = createPageMemory(options.chunkBytes) } = options
  const pages = createSnapshotPages(memory)
  const changes = createChangeLog(chunkBytes)
  const waiters = createWaiters()
  const progress = new Set<() => void>()
  let open = createSnapshotChunk({ memory, first: true })
  let state: ShapeState = 'building'
  let failure: unknown
  let snapshotSize = 0
  let held = 0

  function closeChunk() {
    pages.add(open.close())
    wake(progress)
  }

  function addToChunk(maxBytes: number, write: MessageWriter) {
    const before = open.size
    open.add(maxBytes, write)
    snapshotSize += open.size - before
  }

  function writeSnapshotMessage(maxBytes: number, write: MessageWriter) {
    addToChunk(maxBytes, write)
    if (open.size < chunkBytes) return
    closeChunk()
    open = createSnapshotChunk({ memory, first: false })
  }

  /** Whether there is such a page; waits while the snapshot has not got there. */
  async function hasPage(index: number): Promise<boolean> {
    while (index >= pages.count) {
      if (failure !== undefined) throw failure
      if (state !== 'building') return false
      await new Promise<void>((resolve) => progress.add(resolve))
    }
    return true
  }

  function lend(index: number): PageLoan {
    const loan = pages.lend(index)
    if (!loan) throw new ShapeFailure(409, 'the shape has expired')
    return loan
  }

  function snapshotPage(index: number): LogPage {
    return {
      get messages() {
        const loan = lend(index)
        const messages = messagesOf(loan.bytes)
        loan.end()
        return messages
      },
      lend: () => lend(index),
      end: { tx: 0n, op: index },
      complete: false,
    }
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
      return changes.lastOffset
    },
    get size() {
      return snapshotSize + changes.size + held
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
      waiters.wake('expired')
    },
    append(added) {
      if (state === 'expired' || added.length === 0) return
      changes.append(added)
      waiters.wake('changed')
    },
    expire() {
      if (state === 'expired') return
      state = 'expired'
      pages.retire()
      wake(progress)
      waiters.wake('expired')
    },
    async read(offset) {
      if (offset === 'before-all' || (offset.tx === 0n && Number.isFinite(offset.op))) {
        const index = offset === 'before-all' ? 0 : offset.op + 1
        if (await hasPage(index)) return snapshotPage(index)
      } else {
        while (state === 'building') await hasPage(pages.count)
      }
      return changes.read(offset === 'before-all' ? { tx: 0n, op: 0 } : offset)
    },
    wait(timeoutMs, signal) {
      return state === 'expired' ? Promise.resolve('expired') : waiters.wait(timeoutMs, signal)
    },
  }
}

function wake(listeners: Set<() => void>) {
  const all = [...listeners]
  listeners.clear()
  for (const listener of all) listener()
}
