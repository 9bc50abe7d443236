import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore } from '../../../src/server/index.ts'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../support/pgbouncer.ts'
import { query } from '../../support/query.ts'
import { openDatabase, storeDrivers } from './store-drivers.ts'
import {
  ada,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'
import { createTestPool } from './test-pool.ts'

let fixture: StoreFixture
let pooler: PgBouncer | undefined

beforeAll(async () => {
  fixture = await startStore()
  if (hasPgBouncer) pooler = await startPgBouncer(fixture.url)
  await fixture.write(ada, insertSession('s'), insertThread('s', 't'), insertMessage('t', 'm'))
})
afterAll(async () => {
  await pooler?.stop()
  await fixture.close()
})

const roads = hasPgBouncer ? ['Postgres', 'PgBouncer'] : ['Postgres']
const ways = storeDrivers.flatMap((driver) => roads.map((road) => [driver, road] as const))

describe.each(ways)('over %s to %s', (driver, road) => {
  test('every statement is cancelled after the time limit, and the app’s own are not', async () => {
    const url = road === 'PgBouncer' ? (pooler?.url ?? '') : fixture.url
    const opened = openDatabase(driver, url)
    const store = createSessionStore({ database: opened.database, statementTimeoutMs: 300 })
    const write = (...mutations: object[]) => store.write(ada, { id: randomUUID(), mutations })
    const calls: Record<string, () => Promise<unknown>> = {
      'one mutation': () => write(insertSession(randomUUID())),
      'two mutations': () => write(insertSession(randomUUID()), insertSession(randomUUID())),
      'a message': () => write(insertMessage('t', randomUUID())),
      'a read message': () => store.readMessage(ada, 'm'),
      'a search': () => store.searchEvents(ada, { query: 'x' }),
      'an outline': () => store.outlineTimeline(ada, { sessionId: 's' }),
      'an upload’s state': () => store.uploadState(ada, 's'),
    }
    // A connection has no limit of its own when it is new, and prepares its statements on first use.
    for (const call of Object.values(calls)) await call()
    const holder = await fixture.pool.connect()
    await holder.query('BEGIN; LOCK TABLE sessions, chat_threads, chat_messages, timeline_events')
    const codes = await Promise.all(
      Object.entries(calls).map(async ([name, call]) => [name, (await refusalOf(call())).code]),
    )
    await holder.query('ROLLBACK')
    holder.release()
    expect(Object.fromEntries(codes)).toEqual(
      Object.fromEntries(Object.keys(calls).map((name) => [name, 'too_large'])),
    )
    for (const call of Object.values(calls)) await call()
    // Neither the client's connections nor the pooler's have kept a limit.
    const settings = await Promise.all(
      Array.from({ length: 8 }, () => query(url, 'SHOW statement_timeout')),
    )
    expect(settings.flat()).toEqual(Array(8).fill({ statement_timeout: '0' }))
    await store.close()
    await opened.close()
  })
})

test('a pool with a limit of its own keeps it', async () => {
  const pool = createTestPool(fixture.url, { statement_timeout: 200 })
  const store = createSessionStore({ database: pool })
  const holder = await fixture.pool.connect()
  await holder.query('BEGIN; LOCK TABLE sessions')
  const refused = await refusalOf(store.searchEvents(ada, { query: 'x' }))
  await holder.query('ROLLBACK')
  holder.release()
  expect(refused.code).toBe('too_large')
  await pool.end()
})
