import fc from 'fast-check'
import { expect, test } from 'vitest'
import { importLegacySnapshots } from '../../../src/legacy/index.ts'
import { useDatabase, useDataDirs } from './legacy-fixture.ts'

const database = useDatabase()
const dataDir = useDataDirs()

const time = fc.integer({ min: 0, max: 5 }).map((minute) => new Date(minute * 60_000).toISOString())
const mode = fc.constantFrom('session', 'general')
const sessionId = fc.constantFrom('s1', 's2', 'session-default')
const junk = fc.oneof(
  fc.constant(undefined),
  fc.constant(null),
  fc.integer(),
  fc.constant(''),
  fc.constant({}),
)
const often = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 30, arbitrary }, { weight: 1, arbitrary: junk })
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constant('\u0000'),
  fc.constant('\ud800'),
)

const thread = fc.record({
  id: often(fc.constantFrom('a', 'b', 'c', 'd', 'e')),
  sessionId: often(sessionId),
  mode: often(mode),
  title: often(text),
  status: often(fc.constantFrom('active', 'active', 'archived')),
  messageCount: often(fc.nat(5)),
  createdAt: often(time),
  updatedAt: often(time),
})
const message = fc.record({
  id: often(fc.nat(40).map((number) => `m${number}`)),
  sessionId: often(sessionId),
  mode: often(mode),
  threadId: fc.oneof(fc.constantFrom('a', 'b', 'c', 'd', 'lost'), fc.constant(undefined)),
  role: often(fc.constantFrom('user', 'assistant', 'system')),
  content: often(text),
  clientMessageId: fc.oneof(fc.constant(undefined), fc.constantFrom('x', 'y', 'z')),
  createdAt: often(time),
  updatedAt: often(time),
  evidence: fc.oneof(fc.constant(undefined), fc.jsonValue()),
})
const threads = fc.array(
  fc.oneof({ weight: 20, arbitrary: thread }, { weight: 1, arbitrary: junk }),
  { maxLength: 6 },
)
const messages = fc.array(
  fc.oneof({ weight: 40, arbitrary: message }, { weight: 1, arbitrary: junk }),
  { maxLength: 25 },
)

let tenants = 0

/** Ids in the order of time, then of the file, each once, as a careful reader of the file sees it. */
async function storedRows(tenantId: string) {
  const { rows } = await database.pool.query<{
    id: string
    thread_id: string
    content: string
    position: number
    created_at: Date
  }>(
    `SELECT id, thread_id, content, position::int, created_at FROM chat_messages
     WHERE tenant_id = $1 ORDER BY thread_id, position`,
    [tenantId],
  )
  return rows
}

test('any snapshot: each record is stored or in the report, in order; a second run changes nothing', async () => {
  const property = fc.asyncProperty(threads, messages, async (threadRecords, messageRecords) => {
    tenants += 1
    const tenantId = `t${tenants}`
    const options = {
      database: database.pool,
      dataDir: await dataDir({
        'chat-threads.json': threadRecords.map((record) => record ?? null),
        'chat-messages.json': messageRecords.map((record) => record ?? null),
      }),
      tenantId,
      userId: 'ada',
    }
    const planned = await importLegacySnapshots({ ...options, dryRun: true })
    expect(await storedRows(tenantId)).toEqual([])
    const report = await importLegacySnapshots(options)
    expect(report).toEqual({ ...planned, dryRun: false })
    expect(report.perThread.every(({ agrees }) => agrees)).toBe(true)
    expect(report.ok).toBe(report.badRecords.length === 0)

    const rows = await storedRows(tenantId)
    const stored = new Set(rows.map(({ id }) => id))
    const reported = new Set(
      [...report.badRecords, ...report.notes].map(({ file, index }) => `${file}${index}`),
    )
    for (const [index, record] of messageRecords.entries()) {
      const id =
        record !== null && typeof record === 'object' && 'id' in record ? record.id : undefined
      const isStored = typeof id === 'string' && stored.has(id)
      expect(isStored || reported.has(`chat-messages.json${index}`), `message ${index}`).toBe(true)
    }
    for (const [index, row] of rows.entries()) {
      const previous = rows[index - 1]
      const isFirst = previous?.thread_id !== row.thread_id
      expect(row.position).toBe(isFirst ? 1 : (previous?.position ?? 0) + 1)
      if (!isFirst)
        expect(Number(row.created_at)).toBeGreaterThanOrEqual(Number(previous?.created_at))
    }
    const active = await database.pool.query(
      `SELECT count(*)::int AS n FROM chat_threads WHERE tenant_id = $1 AND status = 'active'
       GROUP BY session_id, mode`,
      [tenantId],
    )
    expect(active.rows.every(({ n }) => n === 1)).toBe(true)

    const before = await database.everyRow()
    expect(await importLegacySnapshots(options)).toMatchObject({ ok: report.ok, changed: false })
    expect(await database.everyRow()).toEqual(before)
  })
  await fc.assert(property, { numRuns: Number(process.env.IMPORT_CASES ?? 25) })
}, 600_000)
