import { expect, test } from 'vitest'
import {
  type DerivedEvent,
  deriveTimeline,
  type TimelineParser,
  timelineParsers,
} from '../../../src/timeline/index.ts'
import { cases, fc } from '../../support/property.ts'
import { chunked } from './derive-log.ts'
import { expectStorable } from './expect-storable.ts'
import { mutatedLog } from './mutated-log.ts'

const numRuns = cases(500, 100_000)

async function derive(bytes: Uint8Array, chunk: number, parsers: readonly TimelineParser[]) {
  const timeline = deriveTimeline(chunked(bytes, chunk), { parsers, batchEvents: 50 })
  const events: DerivedEvent[] = []
  for await (const batch of timeline) {
    events.push(...batch.events)
    // Besides a document's head, an event takes at least a byte: more of them would never end.
    if (events.length > bytes.length + 2) throw new Error('There are more events than bytes.')
  }
  return { events, summary: timeline.summary }
}

/** The physical lines, computed independently of the parsers. */
function linesOf(bytes: Uint8Array): { count: number; blank: number; filled: number[] } {
  const lines = new TextDecoder().decode(bytes).split('\n')
  if (lines.at(-1) === '') lines.pop()
  const filled = lines.flatMap((line, index) => (line.trim() === '' ? [] : [index + 1]))
  return { count: lines.length, blank: lines.length - filled.length, filled }
}

function coveredBy(events: readonly DerivedEvent[]): Set<number> {
  const covered = new Set<number>()
  for (const { data } of events) {
    const from = data.line as number
    for (let line = from; line <= ((data.endLine as number) ?? from); line++) covered.add(line)
  }
  return covered
}

function expectSound(bytes: Uint8Array, { events, summary }: Awaited<ReturnType<typeof derive>>) {
  const { count, blank, filled } = linesOf(bytes)
  expect(summary).toMatchObject({ bytes: bytes.length, events: events.length })
  expect([summary.lines, summary.blankLines]).toEqual([count, blank])
  const covered = coveredBy(events)
  expect(filled.filter((line) => !covered.has(line))).toEqual([])
  expect([...covered].filter((line) => line < 1 || line > count)).toEqual([])
  expect(events.filter(({ data }) => data.unparseable === true)).toHaveLength(summary.unparseable)
  for (const [place, event] of events.entries()) {
    expect(event.seq).toBe(place)
    expectStorable(event)
    const { parentSeq } = event
    if (parentSeq === null) continue
    expect(parentSeq).toBeLessThan(place)
    expect(events[parentSeq]?.kind).toBe('tool_call')
  }
}

/** The detected parser, or one that gets a log of another format. */
const parsers = fc.constantFrom(timelineParsers, ...timelineParsers.map((parser) => [parser]))

test('never throws, loses no line, and is independent of chunking for any mutated log', {
  timeout: 60_000 + numRuns * 50,
}, async () => {
  const chunk = fc.integer({ min: 1, max: 3_000 })
  await fc.assert(
    fc.asyncProperty(mutatedLog(), parsers, chunk, async (bytes, chosen, size) => {
      const whole = await derive(bytes, bytes.length || 1, chosen)
      expectSound(bytes, whole)
      const inPieces = await derive(bytes, size, chosen)
      expect(JSON.stringify(inPieces)).toBe(JSON.stringify(whole))
    }),
    { numRuns },
  )
})
