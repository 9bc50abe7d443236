import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createSessionStore, type SessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { openDatabase, storeDrivers } from './store-drivers.ts'
import {
  ada,
  bob,
  insertEvent,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'
import { createTestPool } from './test-pool.ts'
import { startWireTap, type WireTap } from './wire-tap.ts'

let fixture: StoreFixture
let tap: WireTap
let store: SessionStore

beforeAll(async () => {
  fixture = await startStore()
  tap = await startWireTap(fixture.url)
  store = createSessionStore({ database: tap.url })
  await store.write(ada, { id: 'warm-up', mutations: [insertSession('warm-up')] })
})
afterAll(async () => {
  await store.close()
  await tap.close()
  await fixture.close()
})

const single: Record<string, MutationInput> = {
  'insert session': insertSession('s', { visibility: 'tenant' }),
  'update session': { collection: 'sessions', type: 'update', id: 's', changes: { title: 'x' } },
  'insert event': insertEvent('s', 0),
  'update event': {
    collection: 'timelineEvents',
    type: 'update',
    id: 's-0',
    changes: { title: 'x' },
  },
  'insert thread': insertThread('s', 't'),
  'update thread': { collection: 'chatThreads', type: 'update', id: 't', changes: { title: 'x' } },
  'insert message': insertMessage('t', 'm', { clientMessageId: 'c' }),
  'update message': {
    collection: 'chatMessages',
    type: 'update',
    id: 'm',
    changes: { content: 'x' },
    expectedVersion: 1,
  },
  'delete message': { collection: 'chatMessages', type: 'delete', id: 'm' },
  'delete event': { collection: 'timelineEvents', type: 'delete', id: 's-0' },
  'delete thread': { collection: 'chatThreads', type: 'delete', id: 't' },
  'delete session': { collection: 'sessions', type: 'delete', id: 's' },
}

describe('a batch of one mutation is one round trip', () => {
  test.each(Object.keys(single))('%s', async (name) => {
    tap.reset()
    await store.write(ada, { id: name, mutations: [single[name]] })
    expect({ roundTrips: tap.roundTrips(), requests: tap.requests() }).toEqual({
      roundTrips: 1,
      requests: 1,
    })
  })
})

test('looks an existing message up with a second request', async () => {
  const thread = [insertSession('twice', {}), insertThread('twice', 'twice')]
  await store.write(ada, { id: 'twice', mutations: thread })
  const again = insertMessage('twice', 'first', { clientMessageId: 'twice' })
  await store.write(ada, { id: 'first', mutations: [again] })
  tap.reset()
  const result = await store.write(ada, { id: 'second', mutations: [again] })
  expect(result).toMatchObject({ txid: null, mutations: [{ id: 'first', version: 1 }] })
  expect(tap.requests()).toBe(2)
})

test('a concurrent append waits and does not need a retry', async () => {
  const thread = [insertSession('met', {}), insertThread('met', 'met')]
  await store.write(ada, { id: 'met', mutations: thread })
  const pool = createTestPool(fixture.url, { max: 1 })
  onTestFinished(() => pool.end())
  await pool.query('BEGIN')
  await pool.query(`
    WITH thread AS (
      UPDATE chat_threads SET last_position = last_position + 1, message_count = message_count + 1
      WHERE id = 'met' RETURNING *
    ), counted AS (SELECT set_config('session_db.counted', 'on', true))
    INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
    SELECT tenant_id, 'met-first', id, session_id, created_by, 'user', 'x', last_position
    FROM thread, counted`)
  tap.reset()
  const append = store.write(ada, {
    id: 'meeting',
    mutations: [insertMessage('met', 'met-second')],
  })
  await eventually(async () => {
    const waiting = await fixture.rows(
      `SELECT FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    expect(waiting).toHaveLength(1)
  })
  await pool.query('COMMIT')
  await append
  expect(tap.requests()).toBe(1)
  const stored = await fixture.rows(
    `SELECT id, position FROM chat_messages WHERE thread_id = 'met' ORDER BY position`,
  )
  expect(stored).toEqual([
    { id: 'met-first', position: '1' },
    { id: 'met-second', position: '2' },
  ])
})

test('a refused or repeated batch takes two requests', async () => {
  const refused = insertThread('no-such-session', 'x')
  tap.reset()
  await refusalOf(store.write(bob, { id: 'refused', mutations: [refused] }))
  expect(tap.requests()).toBe(2)
  const missing = { collection: 'sessions', type: 'delete', id: 'warm-up' } as const
  await store.write(ada, { id: 'repeated', mutations: [missing] })
  tap.reset()
  await store.write(ada, { id: 'repeated', mutations: [missing] })
  expect(tap.requests()).toBe(2)
})

describe('a batch of twenty mutations', () => {
  const mutations = (prefix: string) =>
    Array.from({ length: 20 }, (_, index) => insertSession(`${prefix}-${index}`))

  test('takes three round trips on the store’s own pool', async () => {
    tap.reset()
    await store.write(ada, { id: 'own-pool', mutations: mutations('own') })
    expect(tap.roundTrips()).toBe(3)
  })

  test('also works on a pool without pipelining', async () => {
    const pool = createTestPool(tap.url)
    const plain = createSessionStore({ database: pool })
    const result = await plain.write(ada, { id: 'plain-pool', mutations: mutations('plain') })
    expect(result.mutations).toHaveLength(20)
    await plain.close()
    expect((await pool.query('SELECT 1 AS open')).rows).toEqual([{ open: 1 }])
    await pool.end()
  })
})

describe.each(storeDrivers)('over %s', (driver) => {
  test('takes the round trips that the guide lists for one and ten mutations', async () => {
    const opened = openDatabase(driver, tap.url)
    const over = createSessionStore({ database: opened.database })
    const roundTripsOf = async (id: string, count: number) => {
      const mutations = Array.from({ length: count }, (_, n) => insertSession(`${id}-${n}`))
      tap.reset()
      await over.write(ada, { id, mutations })
      return tap.roundTrips()
    }
    // The first write opens the connection and prepares the statement.
    await roundTripsOf(`${driver}-first`, 1)
    expect(await roundTripsOf(`${driver}-one`, 1)).toBeLessThanOrEqual(driver === 'kysely' ? 3 : 1)
    await roundTripsOf(`${driver}-first-ten`, 10)
    const ten = await roundTripsOf(`${driver}-ten`, 10)
    const most = { 'connection string': 3, pg: 14, 'postgres.js': 5, kysely: 14 }
    expect(ten).toBeLessThanOrEqual(most[driver])
    await over.close()
    await opened.close()
  })
})

describe('when the database is unreachable', () => {
  test('fails with `unavailable` when a connection breaks, and the next write succeeds', async () => {
    const blocker = await fixture.pool.connect()
    await blocker.query('BEGIN; LOCK TABLE sessions')
    const batch = { id: 'cut', mutations: [insertSession('cut')] }
    const refused = refusalOf(store.write(ada, batch))
    await fixture.untilBlocked()
    tap.cut()
    expect(await refused).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('same batch id'),
    })
    await blocker.query('ROLLBACK')
    blocker.release()
    const result = await store.write(ada, batch)
    expect(result.mutations).toHaveLength(1)
    expect(await fixture.rows("SELECT FROM sessions WHERE id = 'cut'")).toHaveLength(1)
  })

  test('returns the result to the retry when the response was lost after the commit', async () => {
    for (const mutations of [[insertSession('l1')], [insertSession('l2'), insertSession('l3')]]) {
      const batch = { id: `lost-${mutations.length}`, mutations }
      // A batch of several has three responses. The last one confirms the commit.
      const result = await loseAnswerTo(batch, mutations.length === 1 ? 0 : 2)
      const [applied] = await fixture.rows('SELECT txid FROM applied_batches WHERE batch_id = $1', [
        batch.id,
      ])
      expect(result).toMatchObject({ txid: Number(applied?.txid), batchId: batch.id })
    }
  })

  async function loseAnswerTo(batch: { id: string; mutations: MutationInput[] }, after: number) {
    tap.reset()
    const write = store.write(ada, batch)
    while (tap.roundTrips() <= after) await new Promise((resolve) => setImmediate(resolve))
    tap.loseNextAnswer()
    expect((await refusalOf(write)).code).toBe('unavailable')
    return store.write(ada, batch)
  }

  test('stores each append once and in order while connections break at random', async () => {
    await store.write(ada, { id: 'k', mutations: [insertSession('k'), insertThread('k', 'kt')] })
    const acknowledged = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const append = insertMessage('kt', `k${index}`)
        const more = index % 2 === 0 ? [] : [insertEvent('k', index)]
        const batch = { id: `k${index}`, mutations: [append, ...more] }
        for (;;) {
          if (index % 5 === 0 && Math.random() < 0.5) tap.cut()
          try {
            return await store.write(ada, batch)
          } catch (error) {
            expect(error).toMatchObject({ code: 'unavailable' })
          }
        }
      }),
    )
    const stored = await fixture.rows<{ id: string; position: number }>(
      "SELECT id, position::int FROM chat_messages WHERE thread_id = 'kt' ORDER BY position",
    )
    expect(stored.map((row) => row.position)).toEqual(stored.map((_, index) => index + 1))
    expect(stored.map((row) => row.id).sort()).toEqual(
      acknowledged.map((result) => result.mutations[0]?.id).sort(),
    )
    expect(await fixture.rows("SELECT FROM timeline_events WHERE session_id = 'k'")).toHaveLength(
      30,
    )
  })

  test('fails with `unavailable` when it cannot connect', async () => {
    const unreachable = createSessionStore({ database: 'postgresql://u:p@127.0.0.1:1/none' })
    const write = unreachable.write(ada, { id: 'b', mutations: [insertSession('x')] })
    const upload = unreachable.createSession(ada, { id: 'x', title: 'x' })
    for (const refused of await Promise.all([refusalOf(write), refusalOf(upload)])) {
      expect(refused.code).toBe('unavailable')
      expect(refused.message).not.toContain('127.0.0.1')
    }
    await unreachable.close()
  })
})

test('tells how to migrate a database without the schema', async () => {
  await fixture.pool.query('ALTER TABLE applied_batches RENAME TO away')
  const write = fixture.write(ada, insertSession('unmigrated'))
  expect(await refusalOf(write)).toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('session-db migrate'),
  })
  await fixture.pool.query('ALTER TABLE away RENAME TO applied_batches')
})
