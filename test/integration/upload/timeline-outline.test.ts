import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TimelineFilter } from '../../../src/schema/index.ts'
import { fc } from '../../support/property.ts'
import {
  ada,
  bob,
  insertEvent,
  insertSession,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from '../server/store-fixture.ts'

let fixture: StoreFixture

const kinds = ['message', 'tool_call', 'tool_result'] as const
const at = (seq: number) => new Date(Date.UTC(2026, 0, 1, 10, 0, seq))

/** Every third seq is left out, so that there are gaps. */
const events = Array.from({ length: 60 }, (_, place) => Math.floor(place * 1.5)).map((seq) => ({
  seq,
  kind: kinds[seq % 3] ?? 'message',
  role: seq % 2 === 0 ? 'user' : 'assistant',
  toolName: seq % 3 === 0 ? null : seq % 4 === 0 ? 'shell' : 'edit_file',
  title: seq % 10 === 0 ? `100% of ${seq}` : null,
  text: `Line ${seq}\nexit_code`,
  occurredAt: at(seq),
}))

beforeAll(async () => {
  fixture = await startStore({ requestLimits: false })
  await fixture.write(
    ada,
    insertSession('private'),
    insertSession('shared', { visibility: 'tenant' }),
    insertEvent('shared', 0, { toolName: 'shell' }),
    ...events.map(({ seq, occurredAt, ...event }) =>
      insertEvent('private', seq, { ...event, occurredAt: occurredAt.toISOString() }),
    ),
  )
})

afterAll(() => fixture.close())

const outline = (...args: Parameters<StoreFixture['store']['outlineTimeline']>) =>
  fixture.store.outlineTimeline(...args)

function passes(event: (typeof events)[number], filter: TimelineFilter): boolean {
  const { kinds, roles, tools, from, until, text } = filter
  return (
    (kinds?.includes(event.kind) ?? true) &&
    (roles?.includes(event.role) ?? true) &&
    (tools === undefined || (event.toolName !== null && tools.includes(event.toolName))) &&
    (from === undefined || event.occurredAt >= from) &&
    (until === undefined || event.occurredAt < until) &&
    (text === undefined ||
      [event.title, event.text].some((part) => part?.toLowerCase().includes(text.toLowerCase())))
  )
}

const someOf = <Value>(...values: Value[]) => fc.subarray(values, { minLength: 1 })
const filters = fc.record(
  {
    kinds: someOf(...kinds),
    roles: someOf('user', 'assistant'),
    tools: someOf('shell', 'edit_file', 'nothing'),
    from: fc.integer({ min: 0, max: 90 }).map(at),
    until: fc.integer({ min: 0, max: 90 }).map(at),
    text: fc.constantFrom('LINE 1', '0% o', '_code', '%', 'e_t', '\\'),
  },
  { requiredKeys: [] },
)

test('returns the places of exactly the matching events, as ranges', async () => {
  await fc.assert(
    fc.asyncProperty(filters, async (filter) => {
      const { ranges, count } = await outline(ada, { sessionId: 'private', ...filter })
      const places = ranges.flatMap(([first, end]) =>
        Array.from({ length: end - first }, (_, index) => first + index),
      )
      expect(places).toEqual(events.filter((event) => passes(event, filter)).map(({ seq }) => seq))
      expect(count).toBe(places.length)
      // Ranges that touch would be one.
      for (const [index, [first]] of ranges.slice(1).entries()) {
        expect(first).toBeGreaterThan(ranges[index]?.[1] ?? 0)
      }
    }),
    { numRuns: 60 },
  )
})

test('finds the first event after a point in time', async () => {
  const request = { sessionId: 'private', from: at(31), limit: 1 }
  expect(await outline(ada, request)).toEqual({ count: 1, ranges: [[31, 32]] })
})

test('returns nothing of a session the principal may not see', async () => {
  const nothing = { count: 0, ranges: [] }
  expect(await outline(bob, { sessionId: 'private' })).toEqual(nothing)
  expect(await outline(stranger, { sessionId: 'shared' })).toEqual(nothing)
  expect(await outline(bob, { sessionId: 'shared' })).toEqual({ count: 1, ranges: [[0, 1]] })
  const facets = await fixture.store.timelineFacets(bob, 'private')
  expect(facets).toEqual({ kinds: [], roles: [], tools: [] })
})

test('counts the values to filter by, most frequent first', async () => {
  const { kinds, roles, tools } = await fixture.store.timelineFacets(ada, 'private')
  const counted = (property: 'kind' | 'role' | 'toolName', value: string) =>
    events.filter((event) => event[property] === value).length
  for (const { value, count } of kinds) expect(count).toBe(counted('kind', value))
  expect(kinds.map(({ value }) => value).toSorted()).toEqual(
    [...new Set(events.map(({ kind }) => kind))].toSorted(),
  )
  expect(roles.map(({ count }) => count)).toEqual(
    [counted('role', 'assistant'), counted('role', 'user')].toSorted((a, b) => b - a),
  )
  expect(tools.map(({ value }) => value).toSorted()).toEqual(['edit_file', 'shell'])
  expect(tools[0]?.count).toBeGreaterThanOrEqual(tools[1]?.count ?? 0)
})

test('rejects a malformed filter', async () => {
  const wrong = { sessionId: 'private', kinds: ['nonsense'] as never }
  expect(await refusalOf(outline(ada, wrong))).toMatchObject({ code: 'invalid' })
  expect(await refusalOf(outline(ada, { sessionId: '' }))).toMatchObject({ code: 'invalid' })
})

test('marks days, pauses and sub-agents, which can be folded', async () => {
  const call = { kind: 'tool_call', callId: 'c1', toolName: 'Task' }
  const agent = { data: { sidechain: true, agentId: 'a1' }, parentId: 'event-day-1' }
  const times = ['09:00', '09:10', '09:11', '10:30', null, '22:59', '23:30']
  const more = [{}, call, agent, agent, {}, {}, {}]
  await fixture.write(
    ada,
    insertSession('day'),
    ...times.map((time, seq) =>
      insertEvent('day', seq, {
        id: `event-day-${seq}`,
        occurredAt: time && `2026-01-01T${time}:00Z`,
        ...more[seq],
      }),
    ),
  )
  const minute = 60_000
  const request = { sessionId: 'day', marks: true, timeZone: 'Europe/Berlin', gapMs: 31 * minute }
  expect(await outline(ada, request)).toEqual({
    count: 7,
    ranges: [[0, 7]],
    marks: [
      { seq: 0, day: '2026-01-01', gapMs: null },
      { seq: 3, day: null, gapMs: 79 * minute },
      { seq: 5, day: null, gapMs: 749 * minute },
      { seq: 6, day: '2026-01-02', gapMs: 31 * minute },
    ],
    agents: [{ agentId: 'a1', callSeq: 1, count: 2, first: 2, end: 4 }],
  })
  expect((await outline(ada, { sessionId: 'day', agents: false })).ranges).toEqual([
    [0, 2],
    [4, 7],
  ])
  expect((await outline(bob, request)).marks).toEqual([])
  const wrong = outline(ada, { ...request, timeZone: 'Mars/Base' })
  expect(await refusalOf(wrong)).toMatchObject({ code: 'invalid' })
})
