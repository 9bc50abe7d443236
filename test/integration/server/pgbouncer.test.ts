import { Pool, type PoolClient, type QueryConfig } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runRetention } from '../../../src/ops/index.ts'
import { createSessionStore, migrate } from '../../../src/server/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../support/pgbouncer.ts'
import { query } from '../../support/query.ts'
import { withMethod } from '../../support/with-method.ts'
import { openDatabase, storeDrivers } from './store-drivers.ts'

const ada = { tenantId: 'acme', userId: 'ada' }

describe.runIf(hasPgBouncer)('behind PgBouncer in transaction mode', () => {
  let database: TestDatabase
  let pooler: PgBouncer
  beforeAll(async () => {
    database = await freshDatabase()
    pooler = await startPgBouncer(database.url)
    await migrate({ database: pooler.url })
  })
  afterAll(async () => {
    await pooler.stop()
    await database.drop()
  })

  describe.each(storeDrivers)('over %s', (driver) => {
    test.each([undefined, false])(
      'all concurrent writes succeed with prepare: %s',
      async (prepare) => {
        const { database: client, close } = openDatabase(driver, pooler.url)
        const store = createSessionStore({
          database: client,
          requestLimits: false,
          ...(prepare !== undefined && { prepare }),
        })
        const prefix = `${driver}-${prepare}`
        const write = (id: string, ...mutations: object[]) =>
          store.write(ada, { id: `${prefix}-${id}`, mutations })
        const thread = { id: `${prefix}-t`, sessionId: `${prefix}-s`, title: 'A', mode: 'session' }
        await write(
          'start',
          {
            collection: 'sessions',
            type: 'insert',
            value: { id: `${prefix}-s`, title: 'A', source: 'upload', format: 'codex' },
          },
          { collection: 'chatThreads', type: 'insert', value: thread },
        )
        const message = (id: string) => ({
          collection: 'chatMessages',
          type: 'insert',
          value: { id: `${prefix}-${id}`, threadId: thread.id, role: 'user', content: id },
        })
        const rename = {
          collection: 'chatThreads',
          type: 'update',
          id: thread.id,
          changes: { title: 'B' },
        }
        await Promise.all(
          Array.from({ length: 60 }, async (_, index) => {
            if (index % 3 === 0)
              return write(`b${index}`, message(`${index}a`), message(`${index}b`), rename)
            await write(`b${index}`, message(`${index}`))
            return store.searchEvents(ada, { query: 'nothing' })
          }),
        )
        expect((await store.readMessage(ada, `${prefix}-59`))?.content).toBe('59')
        await store.close()
        await close()
        const [count] = await query(
          database.url,
          'SELECT count(*)::int AS n FROM chat_messages WHERE thread_id = $1',
          [thread.id],
        )
        expect(count).toEqual({ n: 80 })
      },
    )
  })

  test.each(['connection string', 'pg'] as const)('uploads succeed over %s', async (driver) => {
    const { database: client, close } = openDatabase(driver, pooler.url)
    const store = createSessionStore({ database: client })
    const log = new TextEncoder().encode('{"type":"other"}\n'.repeat(5_000))
    await Promise.all(
      // A derivation holds one of the five server connections while it reads over another.
      Array.from({ length: 3 }, async (_, index) => {
        const id = `upload-${driver}-${index}`
        await store.createSession(ada, { id, title: 'A', originalName: 'a.jsonl' })
        const { status } = await store.uploadContent(
          ada,
          id,
          (async function* () {
            yield log
          })(),
        )
        expect(status).toBe('ready')
        const content = await store.openContent(ada, id)
        let bytes = 0
        for await (const chunk of content.body) bytes += chunk.length
        expect(bytes).toBe(log.length)
      }),
    )
    await store.close()
    await close()
  })

  // A pooler may reject any of them, and preparing is off after the first: so a store for each.
  test.each([1, 2, 3])('an upload survives its rejected prepared statement %i', async (nth) => {
    const pool = new Pool({ connectionString: database.url, max: 3 })
    const store = createSessionStore({ database: rejectsPrepared(pool, nth) })
    const id = `rejected-${nth}`
    await store.createSession(ada, { id, title: 'A', originalName: 'a.jsonl' })
    const parts = async function* () {
      yield new TextEncoder().encode('{"type":"other"}\n')
    }
    expect((await store.uploadContent(ada, id, parts())).status).toBe('ready')
    await store.close()
    await pool.end()
  })

  test('retention runs repeatedly and leaves no lock', async () => {
    const run = () => runRetention({ database: pooler.url, policy: { default: '90d' } })
    for (let time = 0; time < 6; time += 1) await run()
    const locks = await query(
      database.url,
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND database =
         (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    expect(locks).toEqual([])
  })
})

/** Wraps a pool that rejects the nth prepared statement within a transaction, as a pooler would. */
function rejectsPrepared(pool: Pool, nth: number): Pool {
  let prepared = 0
  const reject = (client: PoolClient): PoolClient => {
    let isInTransaction = false
    return withMethod(client, 'query', (query: string | QueryConfig, ...rest: unknown[]) => {
      const { text, name } = typeof query === 'string' ? { text: query } : query
      if (/^(BEGIN|COMMIT|ROLLBACK)/.test(text)) isInTransaction = text.startsWith('BEGIN')
      if (isInTransaction && name !== undefined) prepared += 1
      if (isInTransaction && name !== undefined && prepared === nth) {
        const details = { code: '42P05', severity: 'ERROR' }
        return Promise.reject(Object.assign(new Error('exists already'), details))
      }
      return Reflect.apply(client.query, client, [query, ...rest])
    })
  }
  return withMethod(pool, 'connect', async () => reject(await pool.connect()))
}
