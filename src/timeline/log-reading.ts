import { createCallLinks } from './call-links.ts'
import type { DerivedEvent, EventDraft } from './derived-event.ts'
import { finishEvent } from './finish-event.ts'
import { createLineSplitter, type LogLine } from './log-lines.ts'
import type { TimelineParser } from './timeline-parser.ts'
import { createEventTotals, type DeriveProgress, type TimelineSummary } from './timeline-summary.ts'

/** Most text in a batch, in UTF-16 code units: what bounds memory where events are long. */
const BATCH_SIZE = 1024 * 1024

/** Some of a log's events, in order, and how far the reading is after them. */
export interface DerivedBatch {
  /** At least one. */
  readonly events: readonly DerivedEvent[]
  readonly progress: DeriveProgress
}

/** One reading of one log by one parser: bytes in, batches of events out. */
export interface LogReading {
  /** Takes bytes in and gives the batches they fill. */
  write(bytes: Uint8Array): Generator<DerivedBatch>
  /** The log is at its end: gives what is left. */
  end(): Generator<DerivedBatch>
  summary(): TimelineSummary
}

/** Begins to read a log. */
export function createLogReading(parser: TimelineParser, batchEvents: number): LogReading {
  const run = parser.create()
  const splitter = createLineSplitter(parser.longLines)
  const links = createCallLinks()
  const totals = createEventTotals()
  const counts = { bytes: 0, blankLines: 0, events: 0, unparseable: 0 }
  let line = 1
  let isInsideLine = false
  let batch: DerivedEvent[] = []
  let batchSize = 0
  const progress = (): DeriveProgress => ({ ...counts, lines: splitter.count })

  function add(draft: EventDraft): void {
    const from = draft.line ?? line
    const seq = counts.events
    const parentSeq = links.link(draft, seq)
    const { event, size } = finishEvent(draft, { seq, parentSeq, line: from })
    counts.events += 1
    if (draft.unparseable === true) counts.unparseable += 1
    totals.add(event)
    batch.push(event)
    batchSize += size
  }

  function takeBatch(): DerivedBatch {
    const events = batch
    batch = []
    batchSize = 0
    return { events, progress: progress() }
  }

  function* addAll(drafts: Iterable<EventDraft>): Generator<DerivedBatch> {
    for (const draft of drafts) {
      add(draft)
      if (batch.length >= batchEvents || batchSize >= BATCH_SIZE) yield takeBatch()
    }
  }

  function* push(lines: readonly LogLine[]): Generator<DerivedBatch> {
    for (const next of lines) {
      line = next.number
      const isBlank = !isInsideLine && !next.continues && next.text.trim() === ''
      isInsideLine = next.continues
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
      if (batch.length > 0) yield takeBatch()
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
