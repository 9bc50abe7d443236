import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore, type SessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
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
  'insert the message again': insertMessage('t', 'm', { clientMessageId: 'c' }),
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

test('a refused or repeated one is two', async () => {
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

  test('is three round trips on the store’s own pool', async () => {
    tap.reset()
    await store.write(ada, { id: 'own-pool', mutations: mutations('own') })
    expect(tap.roundTrips()).toBe(3)
  })

  test('works on a pool without pipelining too', async () => {
    const pool = new Pool({ connectionString: tap.url })
    const plain = createSessionStore({ database: pool })
    const result = await plain.write(ada, { id: 'plain-pool', mutations: mutations('plain') })
    expect(result.mutations).toHaveLength(20)
    await plain.close()
    expect((await pool.query('SELECT 1 AS open')).rows).toEqual([{ open: 1 }])
    await pool.end()
  })
})

describe('when the database is away', () => {
  test('a connection that is cut is `unavailable`, and the next write works', async () => {
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

  test('a database that cannot be reached is `unavailable`', async () => {
    const unreachable = createSessionStore({ database: 'postgresql://u:p@127.0.0.1:1/none' })
    const write = unreachable.write(ada, { id: 'b', mutations: [insertSession('x')] })
    expect((await refusalOf(write)).code).toBe('unavailable')
    await unreachable.close()
  })
})

test('a database without the schema says what to do', async () => {
  await fixture.pool.query('ALTER TABLE applied_batches RENAME TO away')
  const write = fixture.write(ada, insertSession('unmigrated'))
  expect(await refusalOf(write)).toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('session-db migrate'),
  })
  await fixture.pool.query('ALTER TABLE away RENAME TO applied_batches')
})
