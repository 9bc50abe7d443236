import { createLogReading, type DerivedBatch } from './log-reading.ts'
import { openLog } from './log-start.ts'
import { detectParser, timelineParsers } from './parsers.ts'
import type { TimelineParser } from './timeline-parser.ts'
import type { TimelineSummary } from './timeline-summary.ts'

const BATCH_EVENTS = 1_000

/** The timeline of a log, to be read once. */
export interface DerivedTimeline extends AsyncIterable<DerivedBatch> {
  /**
   * What the log says of the session as a whole.
   *
   * @throws Error before the last batch was taken.
   */
  readonly summary: TimelineSummary
}

export interface DeriveTimelineOptions {
  /** Which formats there are; by default all that the library knows. The last one is the fallback. */
  readonly parsers?: readonly TimelineParser[]
  /** Most events in a batch; 1,000 unless given. */
  readonly batchEvents?: number
}

/**
 * Derives timeline events from an agent's log, in the order of the log. The format is told by the
 * log's beginning. What is not understood becomes an `other` event with its line number. Streams:
 * memory grows neither with the log nor, beyond 16 Mi characters, with its longest line.
 *
 * @param source the log, in chunks of any size.
 * @throws only what `source` throws.
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
      if (summary === undefined) throw new Error('The timeline has not been read to its end yet.')
      return summary
    },
  }
}

async function* readBatches(
  source: AsyncIterable<Uint8Array>,
  { parsers = timelineParsers, batchEvents = BATCH_EVENTS }: DeriveTimelineOptions,
  onEnd: (summary: TimelineSummary) => void,
): AsyncGenerator<DerivedBatch> {
  const { start, slices } = await openLog(source)
  const reading = createLogReading(detectParser(start, parsers), batchEvents)
  for await (const slice of slices) yield* reading.write(slice)
  yield* reading.end()
  onEnd(reading.summary())
}
