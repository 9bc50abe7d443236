import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/schema/index.ts'
import { createSessionStore, type SessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  bob,
  insertEvent,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'
import { createTestPool } from './test-pool.ts'
import { expectTrueCounters } from './true-counters.ts'

let fixture: StoreFixture
let pool: Pool
let other: SessionStore

beforeAll(async () => {
  fixture = await startStore()
  // Tests below provoke deadlocks. The default of one second would make them slow.
  await fixture.pool.query(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 20', current_database());
     END $$`,
  )
  pool = createTestPool(fixture.url, { max: 20 })
  other = createSessionStore({ database: pool })
})
afterAll(async () => {
  await pool.end()
  await fixture.close()
})

function write(principal: Principal, ...mutations: MutationInput[]) {
  return other.write(principal, { id: randomUUID(), mutations })
}

/** Runs writes concurrently and resolves to the error codes of the refused ones. */
async function codes(writes: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(writes)
  return settled.flatMap((one) => (one.status === 'rejected' ? [one.reason.code as string] : []))
}

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))

test('sixty concurrent appends to one thread leave no gap or duplicate, and correct counters', async () => {
  await write(ada, insertSession('a', { visibility: 'tenant' }), insertThread('a', 'at'))
  await Promise.all(
    times(60, (index) =>
      index % 3 === 0
        ? fixture.write(bob, insertMessage('at', `a${index}`))
        : write(ada, insertMessage('at', `a${index}`)),
    ),
  )
  const rows = await fixture.rows<{ position: string }>(
    `SELECT position FROM chat_messages WHERE thread_id = 'at' ORDER BY position`,
  )
  expect(rows.map((row) => Number(row.position))).toEqual(times(60, (index) => index + 1))
  const [thread] = await fixture.rows(
    "SELECT message_count, last_position FROM chat_threads WHERE id = 'at'",
  )
  expect(thread).toEqual({ message_count: 60, last_position: '60' })
  await expectTrueCounters(fixture.pool)
})

describe('one active thread per session and mode', () => {
  const active = (session: string) =>
    fixture.rows(
      "SELECT id FROM chat_threads WHERE session_id = $1 AND mode = 'session' AND status = 'active'",
      [session],
    )

  test('archives the previous active thread in the transaction of a new one', async () => {
    await write(ada, insertSession('o'), insertThread('o', 'o1'))
    await write(ada, insertThread('o', 'o-general', { mode: 'general' }))
    const result = await write(ada, insertThread('o', 'o2'))
    const rows = await fixture.rows(
      `SELECT id, status, version, xmin::text AS txid FROM chat_threads
       WHERE session_id = 'o' ORDER BY id`,
    )
    expect(rows).toMatchObject([
      { id: 'o-general', status: 'active', version: 1 },
      { id: 'o1', status: 'archived', version: 2, txid: String(result.txid) },
      { id: 'o2', status: 'active', version: 1, txid: String(result.txid) },
    ])
    const changes = { status: 'active' } as const
    await write(ada, { collection: 'chatThreads', type: 'update', id: 'o1', changes })
    expect(await active('o')).toEqual([{ id: 'o1' }])
    await write(ada, insertThread('o', 'o3', { status: 'archived' }))
    expect(await active('o')).toEqual([{ id: 'o1' }])
  })

  test('stores all of thirty concurrent inserts and leaves one active', async () => {
    await write(ada, insertSession('n'))
    const refused = await codes(times(30, (index) => write(ada, insertThread('n', `n${index}`))))
    expect(refused).toEqual([])
    expect(await active('n')).toHaveLength(1)
    expect(await fixture.rows("SELECT FROM chat_threads WHERE session_id = 'n'")).toHaveLength(30)
  })

  test('leaves one active after thirty concurrent inserts and activations', async () => {
    await write(ada, insertSession('m'), ...times(10, (index) => insertThread('m', `m${index}`)))
    const changes = { status: 'active' } as const
    const refused = await codes(
      times(30, (index) =>
        index % 3 === 0
          ? write(ada, insertThread('m', `mm${index}`))
          : write(ada, {
              collection: 'chatThreads',
              type: 'update',
              id: `m${index % 10}`,
              changes,
            }),
      ),
    )
    expect(refused).toEqual([])
    expect(await active('m')).toHaveLength(1)
  })
})

describe('a delete concurrent with writes leaves no orphans', () => {
  test('of a thread during appends to it', async () => {
    await write(ada, insertSession('d'))
    for (const round of times(5, (index) => index)) {
      const thread = `d${round}`
      await write(ada, insertThread('d', thread))
      const appends = times(15, (index) => write(ada, insertMessage(thread, `${thread}-${index}`)))
      const remove = write(ada, { collection: 'chatThreads', type: 'delete', id: thread })
      const refused = await codes([...appends, remove])
      expect(new Set([...refused, 'not_found'])).toEqual(new Set(['not_found']))
      const left = 'SELECT FROM chat_messages WHERE thread_id = $1'
      expect(await fixture.rows(left, [thread])).toEqual([])
    }
  })

  test('of a session during inserts into it', async () => {
    for (const round of times(5, (index) => index)) {
      const session = `e${round}`
      await write(ada, insertSession(session), insertThread(session, `${session}-t`))
      const refused = await codes([
        ...times(6, (index) => write(ada, insertMessage(`${session}-t`, `${session}-m${index}`))),
        ...times(6, (index) => write(ada, insertEvent(session, index))),
        write(ada, { collection: 'sessions', type: 'delete', id: session }),
        ...times(6, (index) => write(ada, insertThread(session, `${session}-t${index}`))),
      ])
      expect(new Set([...refused, 'not_found'])).toEqual(new Set(['not_found']))
      for (const table of ['timeline_events', 'chat_threads', 'chat_messages']) {
        const left = `SELECT FROM ${table} WHERE session_id = $1`
        expect(await fixture.rows(left, [session])).toEqual([])
      }
    }
  })
})

test('keeps counters correct under concurrent appends, edits and deletes in one thread', async () => {
  await write(ada, insertSession('x'), insertThread('x', 'xt'))
  for (const round of times(6, (index) => index)) {
    await Promise.all(times(4, (index) => write(ada, insertMessage('xt', `x${round}-${index}`))))
    const newest = await fixture.rows<{ id: string }>(
      "SELECT id FROM chat_messages WHERE thread_id = 'xt' ORDER BY position DESC LIMIT 3",
    )
    const [one, two, three] = newest.map((row) => row.id)
    const refused = await codes([
      write(ada, insertMessage('xt', `x${round}-late`)),
      write(ada, { collection: 'chatMessages', type: 'delete', id: one ?? '' }),
      write(ada, {
        collection: 'chatMessages',
        type: 'update',
        id: two ?? '',
        changes: { content: `edited ${round}` },
      }),
      write(ada, insertMessage('xt', `x${round}-later`)),
      write(ada, { collection: 'chatMessages', type: 'delete', id: three ?? '' }),
    ])
    expect(refused).toEqual([])
    await expectTrueCounters(fixture.pool)
  }
})

test('applies one of twenty concurrent updates that expect the same version', async () => {
  await write(ada, insertSession('v'))
  const refused = await codes(
    times(20, (index) =>
      write(ada, {
        collection: 'sessions',
        type: 'update',
        id: 'v',
        changes: { title: `title ${index}` },
        expectedVersion: 1,
      }),
    ),
  )
  expect(refused).toEqual(Array(19).fill('conflict'))
  expect(await fixture.rows("SELECT version FROM sessions WHERE id = 'v'")).toEqual([
    { version: 2 },
  ])
})

test('retries batches that deadlock', async () => {
  await write(ada, insertSession('l1'), insertSession('l2'))
  const rename = (id: string, title: string) =>
    ({ collection: 'sessions', type: 'update', id, changes: { title } }) as const
  const refused = await codes(
    times(8, (index) => {
      const ids = index % 2 === 0 ? ['l1', 'l2'] : ['l2', 'l1']
      return write(ada, ...ids.map((id) => rename(id, `title ${index}`)))
    }),
  )
  expect(refused).toEqual([])
  const rows = await fixture.rows("SELECT title, version FROM sessions WHERE id IN ('l1', 'l2')")
  expect(rows[0]).toEqual(rows[1])
  expect(rows[0]).toMatchObject({ version: 9 })
})

test.each([true, false])(
  'a refused batch stops at once and releases its locks (pipeline: %s)',
  async (pipeline) => {
    const id = `refused-${pipeline}`
    await write(ada, insertSession(id, { visibility: 'tenant' }), insertThread(id, id))
    await write(bob, insertSession(`${id}-own`))
    const rename = (collection: 'chatThreads' | 'sessions', row: string) =>
      ({ collection, type: 'update', id: row, changes: { title: 'x' } }) as const
    const connections = createTestPool(fixture.url, { max: 1, pipeline })
    const store = createSessionStore({ database: connections })
    const holder = await fixture.pool.connect()
    await holder.query('BEGIN')
    await holder.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [`${id}-own`])

    const mutations = [rename('chatThreads', id), rename('sessions', `${id}-own`)]
    const refused = store.write(bob, { id, mutations }).catch((error) => error)
    const late = new Promise((resolve) => setTimeout(resolve, 2_000, 'still waiting'))
    const outcome = await Promise.race([refused, late])
    await holder.query('ROLLBACK')
    holder.release()
    expect(outcome).toMatchObject({ code: 'forbidden', details: { mutation: 0 } })

    // The connection and its prepared statements still work.
    const allowed = [rename('sessions', `${id}-own`), rename('sessions', `${id}-own`)]
    await store.write(bob, { id: `${id}-after`, mutations: allowed })
    await connections.end()
  },
)

describe('a write that waited for a lock decides on the committed row', () => {
  const rename = { collection: 'chatThreads', type: 'update', id: 'wt' } as const

  async function afterWaiting(statement: string, waiter: () => Promise<unknown>) {
    const blocker = await fixture.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query(statement)
    const waiting = waiter().catch((error) => error)
    await fixture.untilBlocked()
    await blocker.query('COMMIT')
    blocker.release()
    return waiting
  }

  beforeAll(() => write(ada, insertSession('w', { visibility: 'tenant' }), insertThread('w', 'wt')))

  test('for its permission', async () => {
    const byBob = () => write(bob, { ...rename, changes: { title: 'mine now' } })
    const give = (user: string) => `UPDATE chat_threads SET created_by = '${user}' WHERE id = 'wt'`
    expect(await afterWaiting(give('bob'), byBob)).toMatchObject({ txid: expect.any(Number) })
    expect(await afterWaiting(give('ada'), byBob)).toMatchObject({ code: 'forbidden' })
  })

  test('for its version', async () => {
    const [row] = await fixture.rows<{ version: number }>(
      "SELECT version FROM chat_threads WHERE id = 'wt'",
    )
    const expectedVersion = row?.version ?? 0
    const byAda = () => write(ada, { ...rename, changes: { title: 'x' }, expectedVersion })
    const touch = "UPDATE chat_threads SET title = 'touched' WHERE id = 'wt'"
    expect(await afterWaiting(touch, byAda)).toMatchObject({
      code: 'conflict',
      details: { currentVersion: expectedVersion + 1 },
    })
  })

  test('for its existence', async () => {
    const append = () => write(ada, insertMessage('wt', 'late'))
    const remove = "DELETE FROM chat_threads WHERE id = 'wt'"
    expect(await afterWaiting(remove, append)).toMatchObject({ code: 'not_found' })
  })
})
