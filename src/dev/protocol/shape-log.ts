import { AFTER_SNAPSHOT, compareOffsets, type LogOffset } from './offset.ts'

export type ShapeState = 'building' | 'live' | 'expired'

/** Why a wait for a change ended. */
export type WaitResult = 'changed' | 'timeout' | 'expired' | 'aborted'

/** One message of the log in its wire form. */
export interface LogEntry {
  readonly offset: LogOffset
  readonly json: string
}

/** The part of a log that answers one request. */
export interface LogPage {
  /** JSON texts. */
  readonly messages: readonly string[]
  /** The JSON array of the messages, encoded once. Snapshot pages only. */
  readonly body?: Uint8Array<ArrayBuffer>
  readonly end: LogOffset
  /** True if the page reaches the end of the log. */
  readonly complete: boolean
}

/** The log of one shape: the snapshot in pages, then changes in commit order. */
export interface ShapeLog {
  readonly handle: string
  readonly state: ShapeState
  /** The error of a failed snapshot. */
  readonly failure: unknown
  /** The offset of the last message, `0_inf` before the first change. */
  readonly lastOffset: LogOffset
  /** Memory use: snapshot pages in bytes, changes in characters, and the bytes set by `hold`. */
  readonly size: number
  /** Number of requests waiting for a change. */
  readonly waiting: number
  /** @throws for a message that is too large */
  addSnapshotMessage(json: string): void
  endSnapshot(controlJson: string): void
  /** Sets the bytes that the source keeps in memory for this shape outside the log. */
  hold(bytes: number): void
  fail(error: unknown): void
  /** @throws for a message that is too large */
  append(entries: readonly LogEntry[]): void
  expire(): void
  /** Resolves with the page after `offset`; waits until the snapshot has got that far. */
  read(offset: LogOffset | 'before-all'): Promise<LogPage>
  wait(timeoutMs: number, signal?: AbortSignal): Promise<WaitResult>
}

const SEPARATOR = '\n,'

/** Larger messages are refused: an answer must not exceed the length of a JavaScript string, 512 MiB. */
const MAX_MESSAGE_LENGTH = 128 * 2 ** 20

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Creates the empty log of a shape. It is `building` until the snapshot has ended, then `live`.
 * From either state it can become `expired`, which is final.
 *
 * @param options.chunkBytes a page ends with the message that reaches this size
 * @example
 * const log = createShapeLog({ handle: '1-2', chunkBytes: 10_485_760 })
 * log.addSnapshotMessage('{"key":"1"}')
 * log.endSnapshot('{"headers":{"control":"snapshot-end"}}')
 * const page = await log.read('before-all')
 */
export function createShapeLog(options: { handle: string; chunkBytes: number }): ShapeLog {
  const { handle, chunkBytes } = options
  const pages: Uint8Array<ArrayBuffer>[] = []
  const changes = createChangeLog(chunkBytes)
  const waiters = createWaiters()
  let open: string[] = []
  let openLength = 0
  let readers: (() => void)[] = []
  let state: ShapeState = 'building'
  let failure: unknown
  let snapshotSize = 0
  let held = 0

  function closePage(): void {
    const page = encoder.encode(`[${open.join(SEPARATOR)}]`)
    pages.push(page)
    snapshotSize += page.length
    open = []
    openLength = 0
    wakeReaders()
  }

  function wakeReaders(): void {
    const waiting = readers
    readers = []
    for (const resume of waiting) resume()
  }

  /** Waits until a condition holds or the snapshot has ended. */
  async function untilBuilt(isDone: () => boolean): Promise<void> {
    while (state === 'building' && !isDone()) {
      await new Promise<void>((resolve) => readers.push(resolve))
    }
    if (failure !== undefined) throw failure
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
      return snapshotSize + openLength + changes.size + held
    },
    get waiting() {
      return waiters.size
    },
    addSnapshotMessage(json) {
      checkLength(json)
      open.push(json)
      openLength += json.length
      if (openLength >= chunkBytes) closePage()
    },
    endSnapshot(controlJson) {
      open.push(controlJson)
      if (state === 'building') state = 'live'
      closePage()
    },
    hold(bytes) {
      held = bytes
    },
    fail(error) {
      failure = error
      state = 'expired'
      wakeReaders()
      waiters.wake('expired')
    },
    append(added) {
      if (state === 'expired' || added.length === 0) return
      for (const { json } of added) checkLength(json)
      changes.append(added)
      waiters.wake('changed')
    },
    expire() {
      if (state === 'expired') return
      state = 'expired'
      wakeReaders()
      waiters.wake('expired')
    },
    async read(offset) {
      if (offset === 'before-all' || (offset.tx === 0n && Number.isFinite(offset.op))) {
        const index = offset === 'before-all' ? 0 : offset.op + 1
        await untilBuilt(() => index < pages.length)
        const page = pages[index]
        if (page) return snapshotPage(page, index)
      } else {
        await untilBuilt(() => false)
      }
      return changes.read(offset === 'before-all' ? { tx: 0n, op: 0 } : offset)
    },
    wait(timeoutMs, signal) {
      return state === 'expired' ? Promise.resolve('expired') : waiters.wait(timeoutMs, signal)
    },
  }
}

function checkLength(json: string): void {
  if (json.length <= MAX_MESSAGE_LENGTH) return
  const megabytes = Math.round(json.length / 2 ** 20)
  throw new Error(`A row is too large: ${megabytes} MiB as JSON, where 128 MiB is the limit.`)
}

function snapshotPage(body: Uint8Array<ArrayBuffer>, index: number): LogPage {
  return {
    get messages() {
      // JSON texts contain no line breaks, so the separator cannot occur inside a message.
      return decoder.decode(body.subarray(1, -1)).split(SEPARATOR)
    },
    body,
    end: { tx: 0n, op: index },
    complete: false,
  }
}

/** Approximate memory of an entry besides its text. */
const ENTRY_OVERHEAD = 150

/** The changes after the snapshot, cut into pages. */
function createChangeLog(chunkBytes: number) {
  const entries: (LogEntry & { readonly endsPage: boolean })[] = []
  let size = 0
  let openLength = 0

  /** Index of the first entry after an offset, by binary search: logs grow to many thousands. */
  function firstAfter(offset: LogOffset): number {
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = entries[middle] as LogEntry
      if (compareOffsets(entry.offset, offset) > 0) high = middle
      else low = middle + 1
    }
    return low
  }

  return {
    get lastOffset(): LogOffset {
      return entries.at(-1)?.offset ?? AFTER_SNAPSHOT
    },
    get size() {
      return size
    },
    append(added: readonly LogEntry[]): void {
      for (const entry of added) {
        openLength += entry.json.length
        size += entry.json.length + ENTRY_OVERHEAD
        const endsPage = openLength >= chunkBytes
        if (endsPage) openLength = 0
        entries.push({ ...entry, endsPage })
      }
    },
    read(after: LogOffset): LogPage {
      const start = firstAfter(after)
      let stop = start
      while (stop < entries.length && !entries[stop]?.endsPage) stop += 1
      const page = entries.slice(start, stop + 1)
      const unmoved = compareOffsets(after, AFTER_SNAPSHOT) < 0 ? AFTER_SNAPSHOT : after
      return {
        messages: page.map((entry) => entry.json),
        end: page.at(-1)?.offset ?? unmoved,
        complete: start + page.length >= entries.length,
      }
    },
  }
}

/** The requests that wait for a change. */
function createWaiters() {
  const waiting = new Set<(result: WaitResult) => void>()
  return {
    get size() {
      return waiting.size
    },
    wait(timeoutMs: number, signal?: AbortSignal): Promise<WaitResult> {
      if (signal?.aborted) return Promise.resolve('aborted')
      return new Promise((resolve) => {
        const done = (result: WaitResult) => {
          clearTimeout(timer)
          waiting.delete(done)
          signal?.removeEventListener('abort', abort)
          resolve(result)
        }
        const abort = () => done('aborted')
        const timer: ReturnType<typeof setTimeout> | number = setTimeout(
          () => done('timeout'),
          timeoutMs,
        )
        // Sockets keep a server alive; a wait in memory must not keep a test's process alive.
        // In browsers a timer is a number.
        if (typeof timer === 'object') timer.unref()
        signal?.addEventListener('abort', abort)
        waiting.add(done)
      })
    },
    wake(result: WaitResult): void {
      for (const done of [...waiting]) done(result)
    },
  }
}
