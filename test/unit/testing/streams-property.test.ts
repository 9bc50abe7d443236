import { expect, test } from 'vitest'
import type { SessionCollections } from '../../../src/collections/index.ts'
import { chatMessageColumns } from '../../../src/schema/chat-message.ts'
import { chatThreadColumns } from '../../../src/schema/chat-thread.ts'
import type { ColumnMap } from '../../../src/schema/columns.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { sessionColumns } from '../../../src/schema/session.ts'
import { timelineEventColumns } from '../../../src/schema/timeline-event.ts'
import { createMemoryWriteAdapter, type ShapeMock } from '../../../src/testing/index.ts'
import { anySending, type Sending } from '../../integration/server/random-batches.ts'
import { eventually } from '../../support/eventually.ts'
import { cases, fc } from '../../support/property.ts'
import { openMock } from './support/open-mock.ts'

const users: Readonly<Record<string, Principal>> = {
  ada: { tenantId: 'red', userId: 'ada' },
  bob: { tenantId: 'red', userId: 'bob' },
}

/** One step of somebody with access to the database itself. */
type Step = (mock: ShapeMock) => void

const s1 = { tenantId: 'red', id: 's1' }
const has = (mock: ShapeMock, name: 'sessions' | 'chatThreads', id: string) =>
  mock.rows(name).some((row) => row.tenantId === 'red' && row.id === id)

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({
      visibility: fc.constantFrom('private' as const, 'tenant' as const),
      ownerId: fc.constantFrom('ada', 'bob', 'eve'),
    })
    .map((changes) => (mock: ShapeMock) => {
      if (has(mock, 'sessions', 's1')) mock.update('sessions', s1, changes)
      else mock.insert('sessions', { ...s1, ...changes })
    }),
  fc.constantFrom('t1', 't9').map((id) => (mock: ShapeMock) => {
    if (!has(mock, 'sessions', 's1')) return
    if (!has(mock, 'chatThreads', id)) {
      mock.insert('chatThreads', { tenantId: 'red', id, sessionId: 's1' })
    }
    mock.insert('chatMessages', { tenantId: 'red', threadId: id })
  }),
  fc.nat(20).map((at) => (mock: ShapeMock) => {
    const message = mock.rows('chatMessages')[at]
    if (message) mock.update('chatMessages', message, { content: `edited ${at}` })
  }),
  fc.nat(20).map((at) => (mock: ShapeMock) => {
    const message = mock.rows('chatMessages')[at]
    if (message) mock.delete('chatMessages', message)
  }),
)

/** A transaction of several steps, or a batch of a user. */
const anyWork = fc.oneof(
  { weight: 3, arbitrary: fc.array(anyStep, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: anySending },
)

test('every browser has exactly the rows its user may see, after any writes', async () => {
  const { mock, open } = openMock({
    authenticate: (request) => users[request.headers.get('authorization') ?? ''] ?? null,
  })
  const browsers = Object.entries(users).map(([authorization, principal]) => ({
    principal,
    db: open({ headers: { authorization } }),
  }))
  for (const { db } of browsers) {
    const { threads, messages, timeline } = db.session('s1')
    await Promise.all([db.sessions, threads, messages, timeline].map((rows) => rows.preload()))
  }
  await fc.assert(
    fc.asyncProperty(fc.array(anyWork, { minLength: 1, maxLength: 6 }), async (works) => {
      for (const work of works) {
        if ('mutations' in work) await write(mock, work)
        else mock.transaction(() => runAll(work, mock))
      }
      for (const { principal, db } of browsers) {
        await eventually(() => expect(held(db)).toEqual(visible(mock, principal)), 5)
      }
    }),
    { numRuns: cases(150, 1_000) },
  )
})

function runAll(steps: readonly Step[], mock: ShapeMock): void {
  for (const step of steps) step(mock)
}

let batches = 0

async function write(mock: ShapeMock, { principal, mutations }: Sending): Promise<void> {
  batches += 1
  const adapter = createMemoryWriteAdapter(mock, { principal })
  await adapter({ id: `batch-${batches}`, mutations: [...mutations] })
}

function held(db: SessionCollections) {
  const { threads, messages, timeline } = db.session('s1')
  return {
    sessions: sorted(db.sessions.toArray, sessionColumns),
    threads: sorted(threads.toArray, chatThreadColumns),
    messages: sorted(messages.toArray, chatMessageColumns),
    timeline: sorted(timeline.toArray, timelineEventColumns),
  }
}

function visible(mock: ShapeMock, { tenantId, userId }: Principal) {
  const own = mock
    .rows('sessions')
    .filter((row) => row.tenantId === tenantId)
    .filter((row) => row.ownerId === userId || row.visibility === 'tenant')
  const isOpen = own.some(({ id }) => id === 's1')
  const inSession = <Row extends { readonly tenantId: string; readonly sessionId: string }>(
    rows: readonly Row[],
  ) => rows.filter((row) => isOpen && row.tenantId === tenantId && row.sessionId === 's1')
  return {
    sessions: sorted(own, sessionColumns),
    threads: sorted(inSession(mock.rows('chatThreads')), chatThreadColumns),
    messages: sorted(inSession(mock.rows('chatMessages')), chatMessageColumns),
    timeline: sorted(inSession(mock.rows('timelineEvents')), timelineEventColumns),
  }
}

/** Comparable rows: by id, with the columns that reach a browser. */
function sorted(rows: readonly object[], columns: ColumnMap) {
  const known = rows.map((row) => {
    const entries = Object.entries(row).filter(([name]) => columns[name]?.synced)
    return Object.fromEntries(entries) as { readonly id: string }
  })
  return known.sort((one, other) => (one.id < other.id ? -1 : 1))
}
