import { LogError, readLog } from './content.ts'
import type { Amendment, DerivedEvent, EventDraft } from './events.ts'
import { finishEvent } from './events.ts'
import { readJsonLine } from './json.ts'
import { createLineSplitter, type LogLine, MAX_LINE_LENGTH } from './lines.ts'
import type { LogStart, TimelineParser } from './parser.ts'
import { detectParser, timelineParsers } from './parsers.ts'
import { createEventTotals, type DeriveProgress, type TimelineSummary } from './summary.ts'

const BATCH_EVENTS = 1_000

/** The timeline of a log. It can be iterated once. */
export interface DerivedTimeline extends AsyncIterable<DerivedBatch> {
  /**
   * Summary of the whole log.
   *
   * @throws Error before the last batch was read.
   */
  readonly summary: TimelineSummary
}

export interface DeriveTimelineOptions {
  /** Parsers to choose from; the last one is the fallback. Default: all built-in parsers. */
  readonly parsers?: readonly TimelineParser[]
  /** Maximum events per batch. Default: 1,000. */
  readonly batchEvents?: number
  /** Largest size of a compressed log after unpacking, in bytes. Default: 512 MiB. */
  readonly maxBytes?: number
}

/**
 * Derives timeline events from an agent's log, in the log's order. The format is detected from the
 * start of the log. Records that can't be read become `other` events with their line number. It
 * streams: memory is bounded by the longest line, and that by 16 Mi characters.
 *
 * @param source the log, in chunks of any size
 * @throws LogError for content that is no log or has more than 1,000,000 events; else only errors of
 * `source`.
 * @example
 * const timeline = deriveTimeline(createReadStream('rollout.jsonl'))
 * for await (const { events, progress } of timeline) store(events)
 * console.log(timeline.summary.title)
 */
export function deriveTimeline(
  source: AsyncIterable<Uint8Array>,
  options: DeriveTimelineOptions = {},
): DerivedTimeline {
  let summary: TimelineSummary | undefined
  const batches = readBatches(source, options, (whole) => {
    summary = whole
  })
  return {
    [Symbol.asyncIterator]: () => batches,
    get summary() {
      if (summary === undefined)
        throw new Error('The summary is not available yet. Iterate the timeline to its end first.')
      return summary
    },
  }
}

async function* readBatches(
  source: AsyncIterable<Uint8Array>,
  { parsers = timelineParsers, batchEvents = BATCH_EVENTS, maxBytes }: DeriveTimelineOptions,
  onEnd: (summary: TimelineSummary) => void,
): AsyncGenerator<DerivedBatch> {
  const { start, slices } = await openLog(readLog(source, maxBytes))
  const reading = createLogReading(detectParser(start, parsers), batchEvents)
  const breathe = createBreather()
  for await (const slice of slices) {
    for (const batch of reading.write(slice)) {
      if (batch !== undefined) yield batch
      await breathe()
    }
    await breathe()
  }
  for (const batch of reading.end()) {
    if (batch !== undefined) yield batch
    await breathe()
  }
  onEnd(reading.summary())
}

/** Lines that are read before the event loop may turn. */
const LINES_PER_TURN = 200
/** Time a derivation may keep the event loop before it lets others run, in ms. */
const TURN_MS = 2
/** A turn of the loop that takes longer had other work to do, in ms. */
const BUSY_MS = 0.5

/**
 * Returns a function that lets the event loop turn if it was kept for long enough. A request takes many turns
 * of the loop, so while there are any, this waits as long as it has worked.
 */
function createBreather(): () => Promise<void> {
  let since = performance.now()
  return async () => {
    const begun = performance.now()
    const workedMs = begun - since
    if (workedMs < TURN_MS) return
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (performance.now() - begun > BUSY_MS) {
      await new Promise((resolve) => setTimeout(resolve, workedMs))
    }
    since = performance.now()
  }
}

/** Maximum text of a batch in UTF-16 code units, which bounds memory for long events. */
const BATCH_SIZE = 1024 * 1024
/** Text of events that are held back so that amendments still reach them, in UTF-16 code units. */
const HELD_SIZE = 8 * 1024 * 1024
const HELD_EVENTS = 20_000
/** Text whose words take a while to find, after which the event loop may turn. */
const LONG_TEXT = 100_000
/** Events per log; a larger log is refused. */
const MAX_EVENTS = 1_000_000
const TOO_MANY_EVENTS = 'The log has more than 1,000,000 events. Split it into several files.'
/** Keys that amendments can name; beyond that, the oldest are forgotten. */
const REMEMBERED_KEYS = 500_000

/** Consecutive events of a log and the progress after them. */
export interface DerivedBatch {
  /** At least one, unless there are amendments. */
  readonly events: readonly DerivedEvent[]
  /** Changes to events of earlier batches. */
  readonly amendments: readonly EventAmendment[]
  /** Words for a search index beside those of an event's text, by `seq`. */
  readonly moreWords: ReadonlyMap<number, string>
  readonly progress: DeriveProgress
}

/** A change to an event of an earlier batch: only long logs have these. */
export interface EventAmendment extends Readonly<Amendment['set']> {
  readonly seq: number
}

/** The state of reading one log with one parser: bytes in, batches of events out. */
interface LogReading {
  /** Reads bytes and yields the batches they complete, and undefined where the caller may pause. */
  write(bytes: Uint8Array): Generator<DerivedBatch | undefined>
  /** Ends the log and yields the remaining events. */
  end(): Generator<DerivedBatch | undefined>
  summary(): TimelineSummary
}

function createLogReading(parser: TimelineParser, batchEvents: number): LogReading {
  const run = parser.create()
  const splitter = createLineSplitter(parser.longLines)
  const links = createCallLinks()
  const totals = createEventTotals()
  const keys = new Map<string, [first: number, last: number]>()
  const counts = { bytes: 0, blankLines: 0, unparseable: 0 }
  let line = 1
  let isInsideLine = false
  let unfinishedLine: number | undefined
  let seq = 0
  /** Events that were not returned yet; the first `released` of them are already complete. */
  let held: { event: DerivedEvent; readonly size: number; readonly moreWords?: string }[] = []
  let released = 0
  let heldSize = 0
  let releasedSize = 0
  const amendments: EventAmendment[] = []
  const progress = (): DeriveProgress => ({
    ...counts,
    blankLines: counts.blankLines + splitter.emptyLines,
    events: seq - held.length,
    lines: splitter.count,
  })

  function add(draft: EventDraft): void {
    if (seq >= MAX_EVENTS) throw new LogError(TOO_MANY_EVENTS)
    const from = draft.line ?? line
    const to = draft.endLine ?? from
    // A line of several pieces ends where the last one does, which is not known while it is read.
    const bytes = to === unfinishedLine ? undefined : splitter.rangeOf(from, to)
    const parentSeq = links.link(draft, seq)
    const finished = finishEvent(draft, { seq, parentSeq, line: from, bytes })
    if (draft.unparseable === true) counts.unparseable += 1
    if (draft.key !== undefined) remember(draft.key)
    held.push(finished)
    heldSize += finished.size
    seq += 1
  }

  function remember(key: string): void {
    const range = keys.get(key)
    if (range !== undefined) {
      range[1] = seq
      return
    }
    keys.set(key, [seq, seq])
    if (keys.size <= REMEMBERED_KEYS) return
    for (const oldest of keys.keys()) {
      keys.delete(oldest)
      break
    }
  }

  function amend({ amend: key, set }: Amendment): void {
    const range = keys.get(key)
    if (range === undefined) return
    for (let at = range[0]; at <= range[1]; at++) {
      const place = held[at - (seq - held.length)]
      if (place === undefined) amendments.push({ seq: at, ...set })
      else place.event = { ...place.event, ...set }
    }
  }

  /** Releases the oldest events until no more than this much is held back. */
  function release(size: number, count: number): void {
    while (heldSize - releasedSize > size || held.length - released > count) {
      const next = held[released]
      if (next === undefined) return
      totals.add(next.event)
      releasedSize += next.size
      released += 1
    }
  }

  function takeBatch(): DerivedBatch {
    let count = 0
    let size = 0
    while (count < released && count < batchEvents && size < BATCH_SIZE) {
      size += held[count]?.size ?? 0
      count += 1
    }
    const taken = held.slice(0, count)
    const events = taken.map(({ event }) => event)
    const moreWords = new Map(
      taken.flatMap(({ event, moreWords: words }) => (words ? [[event.seq, words] as const] : [])),
    )
    held = held.slice(count)
    released -= count
    heldSize -= size
    releasedSize -= size
    return { events, amendments: amendments.splice(0), moreWords, progress: progress() }
  }

  function* addAll(outputs: Iterable<EventDraft | Amendment>): Generator<DerivedBatch | undefined> {
    for (const output of outputs) {
      if ('amend' in output) amend(output)
      else add(output)
      release(HELD_SIZE, HELD_EVENTS)
      while (isFull()) yield takeBatch()
      if ('text' in output && (output.text?.length ?? 0) > LONG_TEXT) yield undefined
    }
  }

  function isFull(): boolean {
    return (
      released >= batchEvents || releasedSize >= BATCH_SIZE || amendments.length >= BATCH_EVENTS
    )
  }

  function* push(lines: readonly LogLine[]): Generator<DerivedBatch | undefined> {
    for (const [index, next] of lines.entries()) {
      if (index % LINES_PER_TURN === LINES_PER_TURN - 1) yield undefined
      line = next.number
      const isBlank = !isInsideLine && !next.continues && next.text.trim() === ''
      isInsideLine = next.continues
      unfinishedLine = next.continues ? next.number : undefined
      if (isBlank) counts.blankLines += 1
      else yield* addAll(run.push(next))
    }
  }

  return {
    write(bytes) {
      counts.bytes += bytes.byteLength
      return push(splitter.write(bytes))
    },
    *end() {
      yield* push(splitter.end())
      yield* addAll(run.finish())
      release(-1, 0)
      while (released > 0 || amendments.length > 0) yield takeBatch()
    },
    summary: () => ({
      ...progress(),
      ...totals.summary(parser, run.facts),
      toolCalls: links.calls,
      toolResults: links.results,
      pairedToolResults: links.pairedResults,
    }),
  }
}

/** Remembered calls; beyond that, the oldest are forgotten. */
const REMEMBERED_CALLS = 20_000

/** Matches results to calls, in logs of any length. */
interface CallLinks {
  /**
   * Registers an event.
   *
   * @returns the `seq` of its parent call, if any
   */
  link(draft: EventDraft, seq: number): number | null
  readonly calls: number
  readonly results: number
  /** Results whose call precedes them. */
  readonly pairedResults: number
}

function createCallLinks(): CallLinks {
  const places = new Map<string, number>()
  const counts = { calls: 0, results: 0, pairedResults: 0 }
  const remember = (callId: string, seq: number) => {
    places.delete(callId)
    places.set(callId, seq)
    if (places.size <= REMEMBERED_CALLS) return
    for (const oldest of places.keys()) {
      places.delete(oldest)
      break
    }
  }
  const placeOf = (id: unknown) => (typeof id === 'string' ? (places.get(id) ?? null) : null)
  return {
    link({ kind, callId, parentCallId }, seq) {
      if (kind === 'tool_call') {
        counts.calls += 1
        if (typeof callId === 'string') remember(callId, seq)
        return placeOf(parentCallId)
      }
      const call = placeOf(callId)
      if (kind === 'tool_result') {
        counts.results += 1
        if (call !== null) counts.pairedResults += 1
      }
      return call ?? placeOf(parentCallId)
    },
    get calls() {
      return counts.calls
    },
    get results() {
      return counts.results
    },
    get pairedResults() {
      return counts.pairedResults
    },
  }
}

const START_BYTES = 256 * 1024
const START_VALUES = 20
/** Chunks are read in slices of this size: between two, the event loop may turn. */
const SLICE_BYTES = 16 * 1024
/** Lines in which format detection looks for values. */
const START_LINES = 200

/** The start of a log and the whole log. */
interface OpenedLog {
  readonly start: LogStart
  /** The whole log, in slices of at most 16 KiB. */
  readonly slices: AsyncIterable<Uint8Array>
}

/** Reads as much of a log as format detection needs. */
async function openLog(bytes: AsyncIterable<Uint8Array>): Promise<OpenedLog> {
  const chunks = bytes[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let size = 0
  let done = false
  while (size < START_BYTES && !done) {
    const next = await chunks.next()
    if (next.done) {
      done = true
    } else {
      head.push(next.value)
      size += next.value.byteLength
    }
  }
  return {
    start: logStart(Buffer.concat(head).subarray(0, START_BYTES), done && size <= START_BYTES),
    slices: inSlices(head, chunks),
  }
}

function logStart(bytes: Uint8Array, isWhole: boolean): LogStart {
  const splitter = createLineSplitter('cut', MAX_LINE_LENGTH)
  const lines = splitter.write(bytes)
  if (isWhole) lines.push(...splitter.end())
  const values: unknown[] = []
  for (const { text } of lines.slice(0, START_LINES)) {
    if (values.length >= START_VALUES) break
    for (const part of readJsonLine(text)) if ('value' in part) values.push(part.value)
  }
  return { text: new TextDecoder().decode(bytes), values }
}

async function* inSlices(
  head: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (const chunk of head) yield* slicesOf(chunk)
    for (let next = await rest.next(); !next.done; next = await rest.next()) {
      yield* slicesOf(next.value)
    }
  } finally {
    await rest.return?.()
  }
}

function* slicesOf(chunk: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES) {
    yield chunk.subarray(at, at + SLICE_BYTES)
  }
}
