import {
  buildConversation,
  type ConversationRow,
  describeToolCall,
  type FileDiff,
  fileDiffs,
  type TimelineEvent,
  type ToolOutcome,
  type ToolSummary,
  toolOutcome,
} from '@org/session-db'
import {
  type DerivedTimeline,
  defineTimelineParser,
  deriveTimeline,
  type FindSecrets,
  findSecrets,
  type IngestedSession,
  ingestSessionLog,
  type TimelineParser,
  type TimelineSummary,
} from '@org/session-db/server'
import type { Pool } from 'pg'
import { expectTypeOf, test } from 'vitest'

declare const pool: Pool
declare const event: TimelineEvent
declare const bytes: AsyncIterable<Uint8Array>
const ann = { tenantId: 'acme', userId: 'ann' }

test('defineTimelineParser', () => {
  const parser = defineTimelineParser({
    name: 'mine',
    version: 1,
    detect: (start) => (start.text.startsWith('MINE') ? 1 : 0),
    create: () => ({
      facts: {},
      *push(line) {
        expectTypeOf(line.number).toEqualTypeOf<number>()
        yield { kind: 'message', role: 'user', text: line.text }
      },
      *finish() {},
    }),
  })
  expectTypeOf(parser).toEqualTypeOf<TimelineParser>()
  expectTypeOf(defineTimelineParser).returns.toEqualTypeOf<TimelineParser>()
  defineTimelineParser({
    name: 'mine',
    version: 1,
    detect: () => 1,
    create: () => ({
      facts: {},
      // @ts-expect-error no such kind of event
      *push(line) {
        yield { kind: 'note', text: line.text }
      },
      *finish() {},
    }),
  })
})

test('deriveTimeline', async () => {
  const timeline = deriveTimeline(bytes, { batchEvents: 100 })
  expectTypeOf(deriveTimeline(bytes)).toEqualTypeOf<DerivedTimeline>()
  for await (const batch of timeline) {
    expectTypeOf(batch.events[0]?.occurredAt).toEqualTypeOf<Date | null | undefined>()
  }
  expectTypeOf(timeline.summary).toEqualTypeOf<TimelineSummary>()
  // @ts-expect-error bytes, in pieces
  deriveTimeline('a log')
})

test('ingestSessionLog', () => {
  const log = { originalName: 'log.jsonl', path: '/tmp/log.jsonl' }
  expectTypeOf(ingestSessionLog(pool, ann, log)).resolves.toEqualTypeOf<IngestedSession>()
  ingestSessionLog(pool, ann, { originalName: 'log.jsonl', stream: bytes })
  // @ts-expect-error where is it?
  ingestSessionLog(pool, ann, { originalName: 'log.jsonl' })
})

test('findSecrets', () => {
  expectTypeOf(findSecrets).toExtend<FindSecrets>()
  expectTypeOf(findSecrets('text')[0]?.kind).toEqualTypeOf<string | undefined>()
})

test('buildConversation', () => {
  const rows = buildConversation([event], { eventCount: 10 })
  expectTypeOf(buildConversation([event])).toEqualTypeOf<ConversationRow[]>()
  expectTypeOf(rows[0]?.turn?.durationMs).toEqualTypeOf<number | null | undefined>()
  // @ts-expect-error no such option
  buildConversation([event], { folded: false })
})

test('describeToolCall', () => {
  expectTypeOf(describeToolCall(event, null)).toEqualTypeOf<ToolSummary>()
  // @ts-expect-error an event, not its tool
  describeToolCall('Bash')
})

test('toolOutcome', () => {
  expectTypeOf(toolOutcome([event])).toEqualTypeOf<ToolOutcome>()
  // @ts-expect-error all results of the call
  toolOutcome(event)
})

test('fileDiffs', () => {
  expectTypeOf(fileDiffs(event)).toEqualTypeOf<FileDiff[]>()
  // @ts-expect-error an event, not its text
  fileDiffs('@@ -1 +1 @@')
})
