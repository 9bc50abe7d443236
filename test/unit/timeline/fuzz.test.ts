import { expect, test } from 'vitest'
import { LogError, refusalOf } from '../../../src/timeline/content.ts'
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

const numRuns = cases(25, 100_000)

type Derived = Awaited<ReturnType<typeof derive>>

/** Returns the timeline, or the reason why the content is refused. */
async function deriveOrRefuse(...input: Parameters<typeof derive>): Promise<Derived | string> {
  try {
    return await derive(...input)
  } catch (error) {
    if (error instanceof LogError) return error.message
    throw error
  }
}

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

function expectSound(bytes: Uint8Array, { events, summary }: Derived) {
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

test.each(timelineParsers.map((parser) => [parser.name, parser] as const))(
  '%s never throws, loses no line, and is independent of chunking for any mutated log',
  { timeout: 60_000 + numRuns * 50 },
  async (name, parser) => {
    // The detected parser, or this one, which then also gets logs of other formats.
    const parsers = fc.constantFrom(timelineParsers, [parser])
    const chunk = fc.integer({ min: 1, max: 3_000 })
    await fc.assert(
      fc.asyncProperty(mutatedLog(name), parsers, chunk, async (bytes, chosen, size) => {
        const whole = await deriveOrRefuse(bytes, bytes.length || 1, chosen)
        // Only what is recognised as no log, by its first bytes, is refused.
        if (typeof whole === 'string') expect(whole).toBe(refusalOf(bytes))
        else expectSound(bytes, whole)
        const inPieces = await deriveOrRefuse(bytes, size, chosen)
        expect(JSON.stringify(inPieces)).toBe(JSON.stringify(whole))
      }),
      { numRuns },
    )
  },
)
