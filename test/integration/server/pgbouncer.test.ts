import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runRetention } from '../../../src/ops/index.ts'
import { createSessionStore, migrate } from '../../../src/server/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../support/pgbouncer.ts'
import { query } from '../../support/query.ts'
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
