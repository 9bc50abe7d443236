import { jsonValues } from '../../support/json-values.ts'
import { fc } from '../../support/property.ts'
import type { LegacyFiles } from './legacy-oracle.ts'

const time = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.integer({ min: 0, max: 5 }).map((n) => new Date(n * 60_000).toISOString()),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      ...['1970-01-01T01:02:00+01:00', '1970-01-01', 180_000, 1e18, 'yesterday', '', '9999-99-99'],
    ),
  },
)
const mode = fc.constantFrom('session', 'general')
const sessionId = fc.constantFrom('s1', 's2', 'session-default', 'session-75706c6f6164732f61')
const wrong = fc.constantFrom<unknown>(
  undefined,
  null,
  7,
  '',
  {},
  [],
  true,
  'x'.repeat(129),
  'a\0b',
  '\ud800',
)
const often = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 40, arbitrary: arbitrary as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: wrong },
  )
const text = fc.oneof(
  { weight: 6, arbitrary: fc.string() },
  { weight: 4, arbitrary: fc.string({ unit: 'binary' }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('\0', '\ud800x', 'x\udc00', '\u2028\\N\t\r\n"', '👩‍👩‍👧', '\\.'),
  },
  // Longer than one chunk of the file.
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 3 }).map((n) => `é😀${n}`.repeat(200_000 * n)),
  },
)
const extra = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.dictionary(fc.constantFrom('evidence', 'x', '\0', '__proto__'), jsonValues()),
  },
)
const record = (model: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof(
    {
      weight: 40,
      arbitrary: fc.tuple(fc.record(model), extra).map(([known, more]) => ({ ...more, ...known })),
    },
    { weight: 1, arbitrary: wrong },
  )

const thread = record({
  id: often(fc.constantFrom('a', 'b', 'c', 'd', 'e')),
  sessionId: often(sessionId),
  mode: often(mode),
  title: often(fc.string({ maxLength: 20 })),
  status: often(fc.constantFrom('active', 'active', 'archived')),
  messageCount: often(fc.nat(5)),
  createdAt: time,
  updatedAt: time,
})
const place = {
  id: often(fc.nat(40).map((number) => `m${number}`)),
  sessionId: often(sessionId),
  mode: often(mode),
  threadId: fc.constantFrom('a', 'b', 'c', 'd', 'lost', undefined, undefined, null),
}
const message = record({
  ...place,
  role: often(fc.constantFrom('user', 'assistant', 'system')),
  content: often(text),
  clientMessageId: fc.oneof(fc.constantFrom<unknown>(undefined, undefined, 'x', 'y', 'z'), wrong),
  createdAt: time,
  updatedAt: time,
})
const tool = record({
  ...place,
  toolCallId: fc.string(),
  toolName: often(fc.constantFrom('list', 'read')),
  arguments: jsonValues(),
  status: fc.constantFrom('executing', 'done'),
  startedAt: time,
  completedAt: fc.oneof(time, fc.constant(undefined)),
})

/** Arrays of records of an old app, with invalid ones among them. */
export const legacyFiles: fc.Arbitrary<LegacyFiles> = fc
  .record({
    threads: fc.array(thread, { maxLength: 6 }),
    messages: fc.array(message, { maxLength: 25 }),
    tools: fc.array(tool, { maxLength: 5 }),
  })
  // As JSON would store them, without undefined.
  .map(({ threads, messages, tools }) => ({
    threads: asJson(threads),
    messages: asJson(messages),
    tools: asJson(tools),
  }))

function asJson(records: readonly unknown[]): unknown[] {
  return JSON.parse(JSON.stringify(records))
}
