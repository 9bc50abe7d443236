import { Pool } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type RetentionResult, runRetention, scheduleRetention } from '../../../src/ops/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { fc } from '../../support/property.ts'
import { query } from '../../support/query.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await migratedDatabase()
})
afterEach(() => database.drop())

interface Seed {
  readonly tenant: string
  readonly id: string
  /** Days since the last change of the session itself. */
  readonly age: number
  /** Days since the last message of its thread. Without it there is no thread. */
  readonly messageAge?: number | undefined
  readonly events?: number | undefined
}

/** Inserts sessions of the given ages, with triggers off because they would update the times. */
async function seed(...sessions: readonly Seed[]): Promise<void> {
  const days = (age: number) => `now() - interval '${age} days'`
  const statements = sessions.flatMap(({ tenant, id, age, messageAge, events = 0 }) => [
    `INSERT INTO sessions (tenant_id, id, owner_id, title, source, format, updated_at)
     VALUES ('${tenant}', '${id}', 'ada', 'x', 'upload', 'codex', ${days(age)})`,
    `INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind)
     SELECT '${tenant}', '${id}-e' || n, '${id}', n, 'other' FROM generate_series(1, ${events}) AS n`,
    ...(messageAge === undefined
      ? []
      : [
          `INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title, updated_at,
             last_message_at, message_count, last_position)
           VALUES ('${tenant}', '${id}-t', '${id}', 'ada', 'session', 'x', ${days(messageAge)},
             ${days(messageAge)}, 1, 1)`,
          `INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
           VALUES ('${tenant}', '${id}-m', '${id}-t', '${id}', 'ada', 'user', 'x', 1)`,
        ]),
  ])
  await query(
    database.url,
    `BEGIN; SET LOCAL session_replication_role = replica; ${statements.join('; ')}; COMMIT`,
  )
}

async function left(): Promise<string[]> {
  const rows = await query<{ id: string }>(
    database.url,
    "SELECT tenant_id || '/' || id AS id FROM sessions ORDER BY 1",
  )
  return rows.map(({ id }) => id)
}

test('deletes inactive sessions with all their rows', async () => {
  await seed(
    { tenant: 'acme', id: 'old', age: 100, messageAge: 100, events: 5 },
    { tenant: 'acme', id: 'fresh', age: 10 },
    { tenant: 'acme', id: 'talked', age: 100, messageAge: 1 },
  )
  const result = await runRetention({ database: database.url, policy: { default: '90d' } })
  expect(result.due).toEqual([
    { tenantId: 'acme', sessions: 1, threads: 1, messages: 1, events: 5 },
  ])
  expect(result.deletedSessions).toBe(1)
  expect(await left()).toEqual(['acme/fresh', 'acme/talked'])
  const orphans = await query(
    database.url,
    "SELECT 1 FROM timeline_events UNION ALL SELECT 1 FROM chat_messages WHERE session_id = 'old'",
  )
  expect(orphans).toEqual([])
})

test('a dry run counts the same rows and deletes nothing', async () => {
  await seed({ tenant: 'acme', id: 'old', age: 100, events: 2 })
  const dry = await runRetention({
    database: database.url,
    policy: { default: '90d' },
    dryRun: true,
  })
  expect(dry).toMatchObject({ dryRun: true, deletedSessions: 0 })
  expect(dry.due).toEqual([{ tenantId: 'acme', sessions: 1, threads: 0, messages: 0, events: 2 }])
  expect(await left()).toEqual(['acme/old'])
})

test('applies each tenant’s policy, and can be limited to one tenant', async () => {
  await seed(
    { tenant: 'acme', id: 's', age: 100 },
    { tenant: 'legal', id: 's', age: 5_000 },
    { tenant: 'short', id: 's', age: 8 },
    { tenant: 'other', id: 's', age: 100 },
  )
  const policy = { default: '90d', tenants: { legal: 'keep', short: '1w' } }
  await runRetention({ database: database.url, policy, tenantId: 'acme' })
  expect(await left()).toEqual(['legal/s', 'other/s', 'short/s'])
  await runRetention({ database: database.url, policy })
  expect(await left()).toEqual(['legal/s'])
})

test('deletes a large session in small transactions, and can be stopped and resumed', async () => {
  await seed({ tenant: 'acme', id: 'large', age: 100, messageAge: 100, events: 250 })
  const transactions = async () => {
    const rows = await query<{ n: number }>(
      database.url,
      'SELECT count(DISTINCT xmin::text)::int AS n FROM timeline_events',
    )
    return rows[0]?.n
  }
  expect(await transactions()).toBe(1)
  const stop = new AbortController()
  const rows: number[] = []
  const options = { database: database.url, policy: { default: '90d' }, batchRows: 100 }
  await runRetention({
    ...options,
    signal: stop.signal,
    onProgress: (progress) => {
      rows.push(progress.rows)
      stop.abort()
    },
  })
  expect(rows).toEqual([100])
  const [half] = await query(database.url, 'SELECT count(*)::int AS n FROM timeline_events')
  expect(half).toEqual({ n: 150 })
  await runRetention({ ...options, onProgress: (progress) => rows.push(progress.rows) })
  // 50 events, the thread with its message, the session.
  expect(rows).toEqual([100, 100, 153])
  expect(await left()).toEqual([])
})

test('keeps a session that changes after it was found', async () => {
  await seed({ tenant: 'acme', id: 'a', age: 101 }, { tenant: 'acme', id: 'b', age: 100 })
  const pool = new Pool({ connectionString: database.url, max: 1 })
  const writer = await pool.connect()
  await writer.query("BEGIN; UPDATE sessions SET updated_at = now() WHERE id = 'b'")
  let committed: Promise<unknown> | undefined
  const result = await runRetention({
    database: database.url,
    policy: { default: '90d' },
    // The first one is deleted; the second one is found and waits for the writer's lock.
    onProgress: () => {
      committed ??= writer.query('COMMIT')
    },
  })
  await committed
  writer.release()
  await pool.end()
  expect(result.due).toMatchObject([{ sessions: 2 }])
  expect(result.deletedSessions).toBe(1)
  expect(await left()).toEqual(['acme/b'])
})

test('deletes old batch results and keeps recent ones', async () => {
  await query(
    database.url,
    `INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, result, created_at)
     SELECT 'acme', n::text, 'ada', 'x', '{}', now() - n * interval '1 day'
     FROM generate_series(1, 200) AS n`,
  )
  const policy = { default: 'keep' }
  const dry = await runRetention({ database: database.url, policy, dryRun: true })
  expect(dry.forgottenBatches).toBe(111)
  const options = { database: database.url, policy, keepBatchesFor: '30d', batchRows: 50 }
  expect((await runRetention(options)).forgottenBatches).toBe(171)
  const rows = await query(database.url, 'SELECT count(*)::int AS n FROM applied_batches')
  expect(rows).toEqual([{ n: 29 }])
})

test('deletes old usage of model calls, also of deleted sessions', async () => {
  await query(
    database.url,
    `INSERT INTO chat_message_usage
       (tenant_id, message_id, call_id, thread_id, session_id, user_id, created_at)
     SELECT 'acme', n::text, '1', 'gone', 'gone', 'ada', now() - n * interval '10 days'
     FROM generate_series(1, 50) AS n`,
  )
  const policy = { default: 'keep' }
  const run = { database: database.url, policy }
  expect((await runRetention({ ...run, dryRun: true })).forgottenUsage).toBe(11)
  expect((await runRetention({ ...run, keepUsageFor: '105d' })).forgottenUsage).toBe(40)
  const rows = await query(database.url, 'SELECT count(*)::int AS n FROM chat_message_usage')
  expect(rows).toEqual([{ n: 10 }])
})

test('refuses to run while another instance runs', async () => {
  await seed({ tenant: 'acme', id: 'a', age: 100 })
  const pool = new Pool({ connectionString: database.url, max: 1 })
  const holder = await pool.connect()
  await holder.query('SELECT pg_advisory_lock(7236108452)')
  const run = () => runRetention({ database: database.url, policy: { default: '90d' } })
  await expect(run()).rejects.toMatchObject({ code: 'conflict' })
  await holder.query('SELECT pg_advisory_unlock(7236108452)')
  holder.release()
  await pool.end()
  expect((await run()).deletedSessions).toBe(1)
})

test('runs on a schedule until stopped', async () => {
  await seed({ tenant: 'acme', id: 'a', age: 100 })
  const results: RetentionResult[] = []
  const errors: unknown[] = []
  const stop = scheduleRetention({
    database: database.url,
    policy: { default: '90d' },
    every: '1s',
    onResult: (result) => results.push(result),
    onError: (error) => errors.push(error),
  })
  await eventually(() => expect(results.length).toBeGreaterThan(0))
  await stop()
  expect(results[0]?.deletedSessions).toBe(1)
  expect(errors).toEqual([])
})

test('deletes exactly the due sessions for random ages and policies', async () => {
  const keepFor = fc.constantFrom('10d', '50d', '90d', 'keep')
  const session = fc.record({
    tenant: fc.constantFrom('a', 'b', 'c'),
    age: fc.integer({ min: 0, max: 120 }),
    messageAge: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
    events: fc.integer({ min: 0, max: 4 }),
  })
  const scenario = fc.record({
    fallback: keepFor,
    a: keepFor,
    sessions: fc.array(session, { maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(scenario, async ({ fallback, a, sessions }) => {
      await query(database.url, 'DELETE FROM sessions')
      const seeds = sessions.map((one, index) => ({ ...one, id: `s${index}` }))
      await seed(...seeds)
      const policy = { default: fallback, tenants: { a } }
      const stays = ({ tenant, age, messageAge }: Seed) => {
        const keep = tenant === 'a' ? a : fallback
        // Time passes between seeding and the run, so a session of exactly this age is due.
        return keep === 'keep' || Math.min(age, messageAge ?? age) < Number.parseInt(keep, 10)
      }
      await runRetention({ database: database.url, policy, batchRows: 3 })
      expect(await left()).toEqual(
        seeds
          .filter(stays)
          .map(({ tenant, id }) => `${tenant}/${id}`)
          .sort(),
      )
    }),
    { numRuns: 15 },
  )
})
