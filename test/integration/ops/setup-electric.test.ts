import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { electricNames } from '../../../src/ops/electric-setup/electric-names.ts'
import { applySetup, planSetup } from '../../../src/ops/index.ts'
import { createSessionStore } from '../../../src/server/index.ts'
import { query } from '../../support/query.ts'
import { type OpsDatabase, servers } from './ops-fixture.ts'

describe.each(servers)('setup-electric on $name', ({ start }) => {
  let server: Awaited<ReturnType<typeof start>>
  let database: OpsDatabase
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    database = await server.create()
  })
  afterEach(() => database.drop())

  const options = () => ({ database: database.url, ...database.names })

  test('what is planned changes nothing; what is applied leaves nothing to plan', async () => {
    const planned = await planSetup(options())
    expect(planned.applied).toBe(false)
    expect(planned.steps.length).toBeGreaterThan(5)
    expect((await planSetup(options())).steps.length).toBe(planned.steps.length)
    const applied = await applySetup({ ...options(), electricPassword: 'e', appPassword: 'a' })
    expect(applied.applied).toBe(true)
    expect(applied.passwords).toEqual({ electric: 'e', app: 'a' })
    expect((await planSetup(options())).steps).toEqual([])
    const again = await applySetup(options())
    expect([again.steps, again.passwords]).toEqual([[], {}])
  })

  test('the planned statements, run one by one as printed, are the whole set-up', async () => {
    const { steps } = await planSetup(options())
    await query(database.url, steps.map(({ sql }) => `${sql};`).join('\n'))
    expect((await planSetup(options())).steps).toEqual([])
  })

  test('the Electric role streams changes of the replicated tables, and reads nothing else', async () => {
    const { passwords, names } = await applySetup(options())
    const url = database.as(names.electricRole, passwords.electric ?? '')
    for (const table of names.replicated) await query(url, `SELECT * FROM ${table}`)
    await expect(query(url, 'SELECT * FROM applied_batches')).rejects.toThrow('permission denied')
    await expect(query(url, 'DELETE FROM sessions')).rejects.toThrow('permission denied')
    await expect(query(url, 'CREATE TABLE mine ()')).rejects.toThrow('permission denied')
    const { slot, publication } = electricNames(database.names.streamId)
    await query(url, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
    const service = new LogicalReplicationService({ connectionString: url })
    const arrived = new Promise((resolve) => {
      service.on('data', (_lsn: string, message: { tag: string; new?: { id: string } }) => {
        if (message.tag === 'insert') resolve(message.new?.id)
      })
    })
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication] })
    const running = service.subscribe(plugin, slot)
    await query(
      database.url,
      `INSERT INTO sessions (tenant_id, id, owner_id, title, source, format)
       VALUES ('acme', 's1', 'ada', 'A session', 'upload', 'codex')`,
    )
    expect(await arrived).toBe('s1')
    await service.stop()
    await running.catch(() => undefined)
    await query(url, `SELECT pg_drop_replication_slot('${slot}')`)
  })

  test('the app’s role runs the store, and can neither replicate nor change tables', async () => {
    const { passwords, names } = await applySetup(options())
    const url = database.as(names.appRole, passwords.app ?? '')
    const store = createSessionStore({ database: url })
    const value = { id: 's1', title: 'Mine', source: 'upload', format: 'codex' }
    const insert = { collection: 'sessions', type: 'insert', value }
    const result = await store.write(
      { tenantId: 'acme', userId: 'ada' },
      { id: 'b1', mutations: [insert] },
    )
    await store.close()
    expect(result.txid).toEqual(expect.any(Number))
    await expect(query(url, 'ALTER TABLE sessions ADD COLUMN more text')).rejects.toThrow('owner')
    await expect(query(url, 'CREATE TABLE mine ()')).rejects.toThrow('permission denied')
    await expect(
      query(url, "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')"),
    ).rejects.toThrow(/permission denied|must be superuser or replication/)
  })

  test('what was taken away, or given too much, is put right', async () => {
    const { names } = await applySetup(options())
    await query(
      database.url,
      `REVOKE SELECT ON chat_messages FROM ${names.electricRole};
       GRANT SELECT ON applied_batches TO ${names.electricRole};
       ALTER ROLE ${names.appRole} REPLICATION CREATEDB;
       ALTER PUBLICATION ${names.publication} DROP TABLE chat_threads;
       ALTER PUBLICATION ${names.publication} SET (publish = 'insert');
       ALTER TABLE sessions REPLICA IDENTITY DEFAULT`,
    )
    const { steps } = await planSetup(options())
    expect(new Set(steps.map(({ topic }) => topic))).toEqual(
      new Set(['electric-role', 'app-role', 'publication', 'replica-identity']),
    )
    await applySetup(options())
    expect((await planSetup(options())).steps).toEqual([])
  })

  test('a table of the app’s own is replicated too, whatever its name', async () => {
    await query(
      database.url,
      'CREATE SCHEMA "Our data"; CREATE TABLE "Our data"."Notes" (id text PRIMARY KEY)',
    )
    const extraTables = ['"Our data"."Notes"']
    await applySetup({ ...options(), extraTables })
    const rows = await query(
      database.url,
      'SELECT tablename FROM pg_publication_tables WHERE schemaname = $1',
      ['Our data'],
    )
    expect(rows).toEqual([{ tablename: 'Notes' }])
    expect((await planSetup({ ...options(), extraTables })).steps).toEqual([])
  })

  test('a table that is not there is named, and nothing is half done', async () => {
    const failing = applySetup({ ...options(), extraTables: ['nowhere'] })
    await expect(failing).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('nowhere'),
    })
    expect((await planSetup(options())).passwords).toHaveProperty('electric')
  })

  test('an owner of the tables who is no superuser can apply it, and lends nothing for good', async () => {
    const owner = `owner_${database.names.streamId}`
    const name = new URL(database.url).pathname.slice(1)
    await query(
      database.url,
      `CREATE ROLE ${owner} LOGIN CREATEROLE REPLICATION PASSWORD 'o';
       GRANT CREATE ON DATABASE ${name} TO ${owner};
       GRANT CREATE, USAGE ON SCHEMA public TO ${owner} WITH GRANT OPTION;
       GRANT CONNECT ON DATABASE ${name} TO ${owner} WITH GRANT OPTION;
       GRANT CREATE ON DATABASE ${name} TO ${owner} WITH GRANT OPTION;
       CREATE ROLE ${database.names.electricRole} LOGIN REPLICATION PASSWORD 'e';
       GRANT ${database.names.electricRole} TO ${owner} WITH ADMIN OPTION;`,
    )
    const tables = await query<{ name: string }>(
      database.url,
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    )
    for (const table of tables) {
      await query(database.url, `ALTER TABLE ${table.name} OWNER TO ${owner}`)
    }
    const asOwner = { ...options(), database: database.as(owner, 'o') }
    const { steps } = await applySetup(asOwner)
    expect(steps.map(({ sql }) => sql).join()).toContain('REVOKE CREATE ON DATABASE')
    expect((await planSetup(asOwner)).steps).toEqual([])
    const [row] = await query(
      database.url,
      `SELECT has_database_privilege($1, current_database(), 'CREATE') AS may`,
      [database.names.electricRole],
    )
    expect(row).toEqual({ may: false })
    await query(database.url, `REASSIGN OWNED BY ${owner} TO CURRENT_USER; DROP OWNED BY ${owner}`)
    await query(database.url, `DROP ROLE ${owner}`)
  })
})

test('every table that migrations make is known to be replicated or the server’s', async () => {
  const { replicatedTables, serverTables, migrationsTable } = await import(
    '../../../src/ops/own-tables.ts'
  )
  const server = await servers[0]?.start()
  const database = await server?.create()
  const rows = await query<{ name: string }>(
    database?.url ?? '',
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  )
  await database?.drop()
  // A new table belongs in src/ops/own-tables.ts: it decides who is granted what.
  expect(rows.map(({ name }) => name)).toEqual(
    [...replicatedTables, ...serverTables, migrationsTable].sort(),
  )
})
