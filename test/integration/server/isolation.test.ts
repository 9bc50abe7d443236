import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore, type SessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'
import { createTestPool } from './test-pool.ts'
import { expectTrueCounters } from './true-counters.ts'

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))

/**
 * An app may run its database at a stricter isolation level than Postgres's default. Concurrent writers
 * then fail with 40001 where they would wait, and the store has to retry them.
 */
describe.each(['repeatable read', 'serializable'])('a database at %s', (level) => {
  let fixture: StoreFixture
  let pool: Pool
  let store: SessionStore

  beforeAll(async () => {
    fixture = await startStore()
    await fixture.pool.query(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''${level}''',
         current_database()); END $$`,
    )
    pool = createTestPool(fixture.url, { max: 10 })
    store = createSessionStore({ database: pool })
  })
  afterAll(async () => {
    await pool.end()
    await fixture.close()
  })

  /** Sends a batch like an adapter: while it is `unavailable`, it retries with the same id. */
  async function write(...mutations: MutationInput[]) {
    const batch = { id: randomUUID(), mutations }
    for (;;) {
      try {
        return await store.write(ada, batch)
      } catch (error) {
        if ((error as { code: string }).code !== 'unavailable') throw error
      }
    }
  }

  test('runs at that level', async () => {
    const { rows } = await pool.query('SHOW transaction_isolation')
    expect(rows).toEqual([{ transaction_isolation: level }])
  })

  test('retries the one of two concurrent writes that failed with 40001', async () => {
    await write(insertSession('s'), insertThread('s', 'st'))
    const blocker = await fixture.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query("UPDATE chat_threads SET title = 'first' WHERE id = 'st'")
    const waiting = store.write(ada, { id: randomUUID(), mutations: [insertMessage('st', 'm')] })
    await fixture.untilBlocked()
    await blocker.query('COMMIT')
    blocker.release()
    expect(await waiting).toMatchObject({ txid: expect.any(Number) })
    expect(await fixture.rows("SELECT content FROM chat_messages WHERE id = 'm'")).toHaveLength(1)
  })

  test('stores concurrent appends once each, without gaps in positions', async () => {
    await write(insertSession('a'), insertThread('a', 'at'))
    await Promise.all(times(20, (index) => write(insertMessage('at', `a${index}`))))
    const rows = await fixture.rows<{ position: string }>(
      "SELECT position FROM chat_messages WHERE thread_id = 'at' ORDER BY position",
    )
    expect(rows.map((row) => Number(row.position))).toEqual(times(20, (index) => index + 1))
    await expectTrueCounters(fixture.pool)
  })

  test('applies one of several updates that expect the same version', async () => {
    await write(insertSession('v'))
    const settled = await Promise.allSettled(
      times(8, (index) =>
        write({
          collection: 'sessions',
          type: 'update',
          id: 'v',
          changes: { title: `title ${index}` },
          expectedVersion: 1,
        }),
      ),
    )
    const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
    expect(refused).toEqual(Array(7).fill('conflict'))
    expect(await fixture.rows("SELECT version FROM sessions WHERE id = 'v'")).toEqual([
      { version: 2 },
    ])
  })
})
