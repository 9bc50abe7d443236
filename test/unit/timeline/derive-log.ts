import {
  type DerivedEvent,
  type DeriveTimelineOptions,
  deriveTimeline,
  type TimelineSummary,
} from '../../../src/timeline/index.ts'

/** A log's timeline as a whole. */
export interface DerivedLog {
  readonly events: DerivedEvent[]
  readonly summary: TimelineSummary
}

/** Derives all of a log's events. */
export async function deriveLog(
  content: AsyncIterable<Uint8Array>,
  options?: DeriveTimelineOptions,
): Promise<DerivedLog> {
  const timeline = deriveTimeline(content, options)
  const events: DerivedEvent[] = []
  for await (const batch of timeline) events.push(...batch.events)
  return { events, summary: timeline.summary }
}

/** The same of a text, which comes in one chunk. */
export function deriveText(text: string, options?: DeriveTimelineOptions): Promise<DerivedLog> {
  return deriveLog(chunked(text, Number.POSITIVE_INFINITY), options)
}

/** A log in chunks of `size` bytes. */
export async function* chunked(text: string | Uint8Array, size = 64): AsyncGenerator<Uint8Array> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
