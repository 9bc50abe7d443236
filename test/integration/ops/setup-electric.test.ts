import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { electricNames } from '../../../src/ops/electric-setup/names.ts'
import { applyElectricSetup, planElectricSetup } from '../../../src/ops/index.ts'
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

  test('plans without changing anything, and has nothing to plan after applying', async () => {
    const planned = await planElectricSetup(options())
    expect(planned.applied).toBe(false)
    expect(planned.steps.length).toBeGreaterThan(5)
    expect((await planElectricSetup(options())).steps.length).toBe(planned.steps.length)
    const applied = await applyElectricSetup({
      ...options(),
      electricPassword: 'e',
      appPassword: 'a',
    })
    expect(applied.applied).toBe(true)
    expect(applied.passwords).toEqual({ electric: 'e', app: 'a' })
    expect((await planElectricSetup(options())).steps).toEqual([])
    const again = await applyElectricSetup(options())
    expect([again.steps, again.passwords]).toEqual([[], {}])
  })

  test('plans statements that complete the setup when run by hand', async () => {
    const { steps } = await planElectricSetup(options())
    await query(database.url, steps.map(({ sql }) => `${sql};`).join('\n'))
    expect((await planElectricSetup(options())).steps).toEqual([])
  })

  test('lets the Electric role stream changes of the replicated tables and read nothing else', async () => {
    const { passwords, names } = await applyElectricSetup(options())
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

  test('lets the app’s role run the store, but neither replicate nor change tables', async () => {
    const { passwords, names } = await applyElectricSetup(options())
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

  test('restores missing privileges and revokes excess ones', async () => {
    const { names } = await applyElectricSetup(options())
    await query(
      database.url,
      `REVOKE SELECT ON chat_messages FROM ${names.electricRole};
       GRANT SELECT ON applied_batches TO ${names.electricRole};
       ALTER ROLE ${names.appRole} REPLICATION CREATEDB;
       ALTER PUBLICATION ${names.publication} DROP TABLE chat_threads;
       ALTER PUBLICATION ${names.publication} SET (publish = 'insert');
       ALTER TABLE sessions REPLICA IDENTITY DEFAULT`,
    )
    const { steps } = await planElectricSetup(options())
    expect(new Set(steps.map(({ topic }) => topic))).toEqual(
      new Set(['electric-role', 'app-role', 'publication', 'replica-identity']),
    )
    await applyElectricSetup(options())
    expect((await planElectricSetup(options())).steps).toEqual([])
  })

  test('replicates a table of the app whose name needs quotes', async () => {
    await query(
      database.url,
      'CREATE SCHEMA "Our data"; CREATE TABLE "Our data"."Notes" (id text PRIMARY KEY)',
    )
    const extraTables = ['"Our data"."Notes"']
    await applyElectricSetup({ ...options(), extraTables })
    const rows = await query(
      database.url,
      'SELECT tablename FROM pg_publication_tables WHERE schemaname = $1',
      ['Our data'],
    )
    expect(rows).toEqual([{ tablename: 'Notes' }])
    expect((await planElectricSetup({ ...options(), extraTables })).steps).toEqual([])
  })

  test('names a missing table and changes nothing', async () => {
    const failing = applyElectricSetup({ ...options(), extraTables: ['nowhere'] })
    await expect(failing).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('nowhere'),
    })
    expect((await planElectricSetup(options())).passwords).toHaveProperty('electric')
  })

  test('works for an owner who is not a superuser, and revokes the temporary privilege', async () => {
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
    const { steps } = await applyElectricSetup(asOwner)
    expect(steps.map(({ sql }) => sql).join()).toContain('REVOKE CREATE ON DATABASE')
    expect((await planElectricSetup(asOwner)).steps).toEqual([])
    const [row] = await query(
      database.url,
      `SELECT has_database_privilege($1, current_database(), 'CREATE') AS may`,
      [database.names.electricRole],
    )
    expect(row).toEqual({ may: false })
    await query(database.url, `REASSIGN OWNED BY ${owner} TO CURRENT_USER; DROP OWNED BY ${owner}`)
    await query(database.url, `DROP ROLE ${owner}`)
  })

  describe('by a role that owns the database and is not a superuser', () => {
    /** Makes a role the owner of the database and of its tables. */
    async function createOwner(attributes: string) {
      const owner = `owner_${database.names.streamId}`
      const tables = await query<{ name: string }>(
        database.url,
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
      )
      await query(
        database.url,
        `CREATE ROLE ${owner} LOGIN ${attributes} PASSWORD 'o';
         ALTER DATABASE ${new URL(database.url).pathname.slice(1)} OWNER TO ${owner};
         ${tables.map(({ name }) => `ALTER TABLE ${name} OWNER TO ${owner};`).join('')}`,
      )
      return { ...options(), database: database.as(owner, 'o') }
    }
    /** Applies as the owner: runs the statements that the error gives to an administrator, and tries again. */
    async function applyWithHelp(asOwner: Awaited<ReturnType<typeof createOwner>>) {
      const error = await applyElectricSetup(asOwner).then(
        () => undefined,
        (error: Error) => error,
      )
      if (error === undefined) return []
      expect(error).toMatchObject({ code: 'forbidden' })
      const statements = error.message
        .split('\n')
        .flatMap((line) => /^(.*;) -- /.exec(line)?.[1] ?? [])
      await query(database.url, statements.join('\n'))
      await applyElectricSetup(asOwner)
      return statements.map((sql) =>
        sql.replaceAll(database.names.streamId, 'x').replace(/PASSWORD '.*'/, 'PASSWORD …'),
      )
    }
    async function removeOwner() {
      const owner = `owner_${database.names.streamId}`
      await query(
        database.url,
        `REASSIGN OWNED BY ${owner} TO CURRENT_USER; DROP OWNED BY ${owner}`,
      )
      await query(database.url, `DROP ROLE ${owner}`)
    }
    const electricRole = [
      'CREATE ROLE "electric_x" LOGIN REPLICATION PASSWORD …;',
      'GRANT "electric_x" TO "owner_x";',
    ]
    const appRole = 'CREATE ROLE "app_x" LOGIN PASSWORD …;'

    test('without attributes: gives the roles to an administrator, and runs the rest', async () => {
      const asOwner = await createOwner('')
      const statements = await applyWithHelp(asOwner)
      expect(statements.toSorted()).toEqual([...electricRole, appRole].toSorted())
      expect((await planElectricSetup(asOwner)).steps).toEqual([])
      await removeOwner()
    })

    test('that may create roles with replication: works alone since 16, and before needs help with one role', async () => {
      const [row] = await query<{ version: number }>(
        database.url,
        "SELECT current_setting('server_version_num')::int AS version",
      )
      const asOwner = await createOwner('CREATEROLE REPLICATION')
      const statements = await applyWithHelp(asOwner)
      expect(statements).toEqual((row?.version ?? 0) >= 160_000 ? [] : electricRole)
      expect((await planElectricSetup(asOwner)).steps).toEqual([])
      await removeOwner()
    })

    test('of a database as Postgres 14 creates it: also gives away the schema’s privilege', async () => {
      const asOwner = await createOwner('')
      await query(
        database.url,
        'ALTER SCHEMA public OWNER TO CURRENT_USER; GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC',
      )
      const statements = await applyWithHelp(asOwner)
      expect(statements).toContain('REVOKE CREATE ON SCHEMA public FROM PUBLIC, "app_x";')
      expect((await planElectricSetup(asOwner)).steps).toEqual([])
      await removeOwner()
    })
  })
})

test('every migrated table is listed as replicated or as the server’s', async () => {
  const { REPLICATED_TABLES, SERVER_TABLES, MIGRATIONS_TABLE } = await import(
    '../../../src/ops/electric-setup/names.ts'
  )
  const server = await servers[0]?.start()
  const database = await server?.create()
  const rows = await query<{ name: string }>(
    database?.url ?? '',
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  )
  await database?.drop()
  // Add a new table to src/ops/electric-setup/names.ts, which decides the grants.
  expect(rows.map(({ name }) => name)).toEqual(
    [...REPLICATED_TABLES, ...SERVER_TABLES, MIGRATIONS_TABLE].sort(),
  )
})
