import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Client } from 'pg'
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { electricNames } from '../../../src/ops/electric-setup/names.ts'
import {
  applyElectricSetup,
  type DoctorOptions,
  type Finding,
  runDoctor,
} from '../../../src/ops/index.ts'
import { createShapeProxy } from '../../../src/server/index.ts'
import { hasDebianPostgres, startDebianPostgres } from '../../support/debian-postgres.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { isDeep } from '../../support/property.ts'
import { query } from '../../support/query.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { listen, serve } from '../../unit/proxy/serve.ts'
import { type OpsDatabase, servers } from './ops-fixture.ts'

const directories = temporaryDirectories()
afterAll(directories.remove)

/** Returns the finding of one check. */
async function find(check: string, options: DoctorOptions): Promise<Finding | undefined> {
  const directory = await directories.create()
  return (await runDoctor({ directory, ...options })).find((finding) => finding.check === check)
}

/** Reads a slot like Electric, until the returned function is called. */
async function readSlot(url: string, streamId: string): Promise<() => Promise<void>> {
  const { slot, publication } = electricNames(streamId)
  await query(url, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  const service = new LogicalReplicationService({ connectionString: url })
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication] })
  const running = service.subscribe(plugin, slot)
  await expect.poll(() => slotActive(url, slot)).toBe(true)
  return async () => {
    await service.stop()
    await running.catch(() => undefined)
    await expect.poll(() => slotActive(url, slot)).toBe(false)
  }
}

async function slotActive(url: string, slot: string): Promise<boolean> {
  const [row] = await query<{ active: boolean }>(
    url,
    'SELECT active FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  )
  return row?.active === true
}

describe.each(servers)('doctor on $name', ({ name, start }) => {
  let server: Awaited<ReturnType<typeof start>>
  let database: OpsDatabase
  let options: DoctorOptions
  let stopReading: (() => Promise<void>) | undefined

  let migrated: OpsDatabase
  beforeAll(async () => {
    server = await start()
    migrated = await server.create()
  })
  afterAll(async () => {
    await migrated.drop()
    await server.stop()
  })
  beforeEach(async () => {
    database = await server.create(migrated)
    // Also reverts what the previous test changed.
    await applyElectricSetup({ database: database.url, ...database.names })
    options = { database: database.url, ...database.names }
    stopReading = undefined
  })
  afterEach(async () => {
    await stopReading?.()
    const { slot } = electricNames(database.names.streamId)
    await query(
      database.url,
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
      [slot],
    )
    await database.drop()
  })

  test('finds no error after setup-electric with an active slot', async () => {
    stopReading = await readSlot(database.url, database.names.streamId)
    const directory = await directories.create()
    const findings = await runDoctor({ ...options, directory })
    expect(findings.filter(({ level }) => level === 'error')).toEqual([])
    expect(findings.filter(({ level }) => level === 'ok').length).toBeGreaterThan(10)
  })

  test('finds a missing slot and an inactive slot', async () => {
    expect(await find('slot', options)).toMatchObject({
      level: 'error',
      message: expect.stringContaining('there is no slot'),
    })
    const stop = await readSlot(database.url, database.names.streamId)
    await stop()
    expect(await find('slot', options)).toMatchObject({
      level: 'error',
      message: expect.stringContaining('is inactive'),
    })
  })

  const electric = () => database.names.electricRole
  const breaks: [check: string, sql: () => string, message: string][] = [
    ['electric-role', () => `REVOKE SELECT ON sessions FROM ${electric()}`, 'GRANT SELECT'],
    ['electric-role', () => `ALTER ROLE ${electric()} NOREPLICATION`, 'REPLICATION'],
    ['electric-role', () => `ALTER ROLE ${electric()} NOLOGIN`, 'LOGIN'],
    ['electric-role', () => `GRANT SELECT ON applied_batches TO ${electric()}`, 'REVOKE'],
    ['app-role', () => `ALTER ROLE ${database.names.appRole} REPLICATION`, 'NOREPLICATION'],
    ['app-role', () => `REVOKE UPDATE ON sessions FROM ${database.names.appRole}`, 'GRANT'],
    ['app-role', () => `GRANT CREATE ON SCHEMA public TO ${database.names.appRole}`, 'REVOKE'],
    ['superuser', () => `ALTER ROLE ${electric()} SUPERUSER`, 'superuser'],
    ['publication', () => `DROP PUBLICATION ${publication()}`, 'CREATE PUBLICATION'],
    ['publication', () => `ALTER PUBLICATION ${publication()} DROP TABLE sessions`, 'ADD TABLE'],
    ['publication', () => `ALTER PUBLICATION ${publication()} OWNER TO CURRENT_USER`, 'OWNER TO'],
    ['publication', () => `ALTER PUBLICATION ${publication()} SET (publish = 'insert')`, 'publish'],
    [
      'publication-all-tables',
      () => `DROP PUBLICATION ${publication()}; CREATE PUBLICATION ${publication()} FOR ALL TABLES`,
      'every table',
    ],
    ['replica-identity', () => 'ALTER TABLE chat_messages REPLICA IDENTITY DEFAULT', 'FULL'],
    ['migrations', () => 'DELETE FROM session_db_migrations', 'not applied: 0001'],
    ['migrations', () => "UPDATE session_db_migrations SET checksum = 'x'", 'changed after'],
    [
      'migrations',
      () => "INSERT INTO session_db_migrations (name, checksum) VALUES ('9999-later', 'x')",
      'newer than this package: 9999-later',
    ],
    ['drift', () => 'ALTER TABLE sessions ADD COLUMN more text', 'sessions.more is not part of'],
    ['drift', () => 'ALTER TABLE sessions DROP COLUMN repo_label', 'repo_label is missing'],
    ['drift', () => 'ALTER TABLE sessions ALTER COLUMN title DROP NOT NULL', 'title may be null'],
    ['drift', () => 'ALTER TABLE sessions ALTER event_count TYPE bigint', 'is bigint, not integer'],
  ]
  const publication = () => electricNames(database.names.streamId).publication

  // Every breakage on the newest Postgres; on the older one, the first of each check.
  const isNewest = name === servers[0]?.name
  const tried = breaks.filter(
    ([check], index) =>
      isNewest || isDeep || breaks.findIndex(([other]) => other === check) === index,
  )
  test.each(tried)('finds %s: %s', async (check, sql, message) => {
    await query(database.url, sql())
    const found = await find(check, options)
    expect(found).toMatchObject({ message: expect.stringContaining(message) })
    expect(['error', 'warning']).toContain(found?.level)
    expect(found?.fix).toEqual(expect.any(String))
  })

  test('names a missing table of the app', async () => {
    expect(await find('doctor', { ...options, extraTables: ['notes'] })).toMatchObject({
      level: 'error',
      message: expect.stringContaining('notes'),
    })
  })
})

test('reports an unreachable database without its password', async () => {
  const database = 'postgresql://nobody:secret@127.0.0.1:1/none'
  const found = await find('connection', { database })
  expect(found).toMatchObject({ level: 'error', fix: expect.stringContaining('DATABASE_URL') })
  expect(JSON.stringify(found)).not.toContain('secret')
})

describe.runIf(hasDebianPostgres)('doctor on servers with wrong settings', () => {
  const badly: [string, Record<string, string>, string, Finding['level']][] = [
    ['wal-level', { wal_level: 'replica' }, 'wal_level is replica', 'error'],
    ['replication-slots', { max_replication_slots: '0' }, '0 of 0', 'error'],
    ['wal-senders', { max_wal_senders: '0', wal_level: 'logical' }, '0 of 0', 'error'],
    ['slot-wal-limit', { max_slot_wal_keep_size: '-1' }, 'can fill the disk', 'warning'],
  ]
  test.each(badly)('finds %s with %o', async (check, settings, message, level) => {
    const server = await startDebianPostgres(settings)
    const found = await find(check, { database: server.url }).finally(() => server.stop())
    expect(found).toMatchObject({ level, message: expect.stringContaining(message) })
  })

  test('finds a lost slot and tells how to reset it', async () => {
    const settings = { max_slot_wal_keep_size: '16MB', max_wal_size: '32MB', min_wal_size: '32MB' }
    const server = await startDebianPostgres(settings)
    const { slot } = electricNames()
    const client = new Client({ connectionString: server.url })
    await client.connect()
    await client.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
    for (let segment = 0; segment < 6; segment += 1) {
      await client.query("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000))")
      await client.query('SELECT pg_switch_wal()')
      await client.query('CHECKPOINT')
    }
    await client.end()
    const found = await find('slot', { database: server.url }).finally(() => server.stop())
    expect(found).toMatchObject({
      level: 'error',
      message: expect.stringContaining('is lost'),
      fix: expect.stringContaining('ELECTRIC_STORAGE_DIR'),
    })
  })
})

/** Starts an HTTP server with the given answers, for faults that a real one doesn't have. */
async function serving(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close(): void }> {
  const server: Server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() }
}

test.each([
  ['', 'is empty'],
  ['notaurl', 'is not a URL'],
  ['mysql://ann:secret@host/app', 'needs Postgres'],
  ['postgresql://ann:secret@nowhere.invalid/app', 'The host nowhere.invalid cannot be found'],
])('explains the database URL %j', async (database, message) => {
  const found = await find('connection', { database })
  expect(found).toMatchObject({ level: 'error', message: expect.stringContaining(message) })
  expect(JSON.stringify(found)).not.toContain('secret')
})

test.each([
  ['', 'ELECTRIC_URL is empty'],
  ['electric:3000', 'ELECTRIC_URL is not an http or https URL'],
])('explains the Electric URL %j', async (electricUrl, message) => {
  const found = await find('electric-health', { electricUrl })
  expect(found).toMatchObject({ level: 'error', message })
})

test('explains the database URL of a server that closes the connection', async () => {
  const other = await startTcpProxy(1)
  const found = await find('connection', {
    database: `postgresql://ann:secret@127.0.0.1:${other.port}/app`,
  })
  await other.close()
  expect(found).toMatchObject({
    level: 'error',
    message: expect.stringContaining(`The connection to 127.0.0.1:${other.port} was closed`),
  })
})

test('explains the Electric URL of another service', async () => {
  const other = await listen((_request, response) => response.writeHead(404).end())
  const found = await find('electric-health', { electricUrl: other.url })
  await other.close()
  expect(found).toMatchObject({
    level: 'error',
    message: `${new URL(other.url).host} answers 404 to /v1/health, so it is not Electric`,
    fix: expect.stringContaining('Correct ELECTRIC_URL'),
  })
})

test('finds nothing wrong with the development stack', async () => {
  const database = await servers[0]?.start().then(({ create }) => create())
  const shapes = await createShapeServer({ database: database?.url ?? '' })
  const { url } = await shapes.listen()
  const findings = await runDoctor({
    ...database?.names,
    database: database?.url,
    electricUrl: url.replace(/\/$/, ''),
    directory: await directories.create(),
  })
  await shapes.close()
  await database?.drop()
  expect(findings.filter(({ level }) => level === 'error')).toEqual([])
  expect(findings.find(({ check }) => check === 'dev-stack')).toMatchObject({ level: 'ok' })
})

describe('doctor on Electric', () => {
  test('accepts a running engine, and finds a wrong or missing secret', async () => {
    const database = await servers[0]?.start().then(({ create }) => create())
    const shapes = await createShapeServer({ database: database?.url ?? '', secret: 'right' })
    const { url } = await shapes.listen()
    const electricUrl = url.replace(/\/$/, '')
    for (const check of [
      'electric-health',
      'electric-version',
      'electric-secret',
      'electric-auth-bypass',
    ]) {
      const found = await find(check, { electricUrl, electricSecret: 'right' })
      expect(found).toMatchObject({ check, level: 'ok' })
    }
    const wrong = await find('electric-secret', { electricUrl, electricSecret: 'wrong' })
    expect(wrong).toMatchObject({ level: 'error', message: 'Electric refuses this secret' })
    const none = await find('electric-secret', { electricUrl })
    expect(none).toMatchObject({
      level: 'error',
      message: expect.stringContaining('is not set here'),
    })
    await shapes.close()
    const open = await createShapeServer({ database: database?.url ?? '' })
    const opened = await open.listen()
    const insecure = await find('electric-secret', { electricUrl: opened.url.replace(/\/$/, '') })
    expect(insecure).toMatchObject({
      level: 'error',
      message: expect.stringContaining('without a secret'),
    })
    await open.close()
    await database?.drop()
  })

  test('finds an engine that is down, starting, too old, or bypassed by another path', async () => {
    expect(await find('electric-health', { electricUrl: 'http://127.0.0.1:1' })).toMatchObject({
      level: 'error',
      message: expect.stringContaining('no answer from 127.0.0.1:1'),
    })
    const engine = await serving((request, response) => {
      response.setHeader('electric-server', 'ElectricSQL/1.7.11')
      const { pathname } = new URL(request.url ?? '/', 'http://electric')
      if (pathname === '/v1/health') return response.writeHead(202).end('{"status":"waiting"}')
      // Engines before 1.7.12 only guarded this spelling of the path.
      return response.writeHead(request.url?.startsWith('/v1/shape?') ? 401 : 200).end()
    })
    const electricUrl = engine.url
    expect(await find('electric-health', { electricUrl })).toMatchObject({
      level: 'error',
      message: expect.stringContaining('202'),
    })
    expect(await find('electric-version', { electricUrl })).toMatchObject({
      level: 'error',
      message: expect.stringContaining('1.7.11'),
    })
    const bypass = await find('electric-auth-bypass', { electricUrl })
    expect(bypass).toMatchObject({
      level: 'error',
      message: 'answered without the secret: /v1/shape/ (200), /v1//shape (200), /v1/%73hape (200)',
    })
    engine.close()
  })
})

describe('doctor on the app’s shape route', () => {
  test('accepts createShapeProxy: 401 for anonymous requests, private answers', async () => {
    const database = await servers[0]?.start().then(({ create }) => create())
    const shapes = await createShapeServer({ database: database?.url ?? '' })
    const { url: electricUrl } = await shapes.listen()
    const proxy = createShapeProxy({
      electricUrl,
      authenticate: (request) =>
        request.headers.get('authorization') === 'Bearer ada'
          ? { tenantId: 'acme', userId: 'ada' }
          : null,
    })
    const app = await serve(proxy)
    const signedIn = { url: app.url, headers: { authorization: 'Bearer ada' } }
    for (const check of ['proxy-auth', 'proxy-cache']) {
      expect(await find(check, { proxy: signedIn })).toMatchObject({ level: 'ok' })
    }
    expect(await find('proxy-cache', { proxy: { url: app.url } })).toMatchObject({
      level: 'skipped',
    })
    expect(await find('live-connections', { proxy: signedIn })).toMatchObject({
      level: 'warning',
      message: expect.stringContaining('six connections'),
    })
    await app.close()
    await shapes.close()
    await database?.drop()
  })

  test('finds a route without sign-in or with answers that a shared cache may store', async () => {
    const app = await serving((_, response) => {
      response.setHeader('cache-control', 'public, max-age=604800')
      response.end('[]')
    })
    const proxy = { url: app.url, headers: { cookie: 'session=1' } }
    expect(await find('proxy-auth', { proxy })).toMatchObject({ level: 'error' })
    expect(await find('proxy-cache', { proxy })).toMatchObject({
      level: 'error',
      message: expect.stringContaining('public, max-age=604800'),
    })
    app.close()
  })
})

describe('doctor on metrics', () => {
  test('finds a metrics port that Prometheus does not scrape', async () => {
    const electric = await serving((_, response) => response.end('# metrics'))
    const electricMetricsUrl = `${electric.url}/metrics`
    expect(await find('prometheus', { electricMetricsUrl })).toMatchObject({ level: 'warning' })
    let scrapeUrl = 'http://127.0.0.1:1/metrics'
    const prometheus = await serving((_, response) =>
      response.end(JSON.stringify({ data: { activeTargets: [{ scrapeUrl, health: 'up' }] } })),
    )
    const options = { electricMetricsUrl, prometheusUrl: prometheus.url }
    expect(await find('prometheus', options)).toMatchObject({ level: 'error' })
    scrapeUrl = electricMetricsUrl
    expect(await find('prometheus', options)).toMatchObject({ level: 'ok' })
    electric.close()
    expect(
      await find('prometheus', { electricMetricsUrl: 'http://127.0.0.1:1/metrics' }),
    ).toMatchObject({ level: 'ok' })
    prometheus.close()
  })
})

test('finds two copies of @tanstack/db and accepts one', async () => {
  const directory = await directories.create()
  const install = async (path: string, version: string) => {
    await mkdir(join(directory, path), { recursive: true })
    await writeFile(join(directory, path, 'package.json'), JSON.stringify({ version }))
  }
  expect(await find('tanstack-copies', { directory })).toMatchObject({ level: 'skipped' })
  await install('node_modules/@tanstack/db', '0.9.2')
  expect(await find('tanstack-copies', { directory })).toMatchObject({ level: 'ok' })
  await install('node_modules/@tanstack/react-db/node_modules/@tanstack/db', '0.15.0')
  expect(await find('tanstack-copies', { directory })).toMatchObject({
    level: 'error',
    message: expect.stringMatching(/2 copies.*0\.15\.0/),
  })
})

test('names packages of an app that do not fit, before and after they are installed', async () => {
  const directory = await directories.create()
  const declare = (dependencies: Record<string, string>) =>
    writeFile(join(directory, 'package.json'), JSON.stringify({ dependencies }))
  await declare({
    '@tanstack/db': '^0.5.15',
    '@tanstack/query-db-collection': '^1.0.10',
    '@tanstack/react-start': '1.140.0',
    nitro: '3.0.1-alpha.1',
  })
  await writeFile(join(directory, 'vite.config.ts'), 'export default { plugins: [nitro()] }')
  expect(await find('tanstack-versions', { directory })).toMatchObject({
    level: 'error',
    message: expect.stringContaining('@tanstack/db ^0.5.15, @tanstack/query-db-collection ^1.0.10'),
    fix: expect.stringContaining('@tanstack/db@0.9.2 @tanstack/query-db-collection@1.2.15'),
  })
  expect(await find('start-validator', { directory })).toMatchObject({
    message: expect.stringContaining('.inputValidator()'),
  })
  expect(await find('nitro-debug', { directory })).toMatchObject({ level: 'warning' })

  await declare({ '@tanstack/db': '0.9.2', '@tanstack/react-start': '1.169.5', nitro: '^3.0.0' })
  await writeFile(join(directory, 'vite.config.ts'), 'export default { plugins: [debugPackage()] }')
  expect(await find('tanstack-versions', { directory })).toMatchObject({ level: 'ok' })
  expect(await find('start-validator', { directory })).toBeUndefined()
  expect(await find('nitro-debug', { directory })).toMatchObject({ level: 'ok' })
})

test('finds clock skew', async () => {
  const database = await servers[0]?.start().then(({ create }) => create())
  const options = { database: database?.url, ...database?.names }
  expect(await find('clock-skew', options)).toMatchObject({ level: 'ok' })
  const now = () => Date.now() - 60_000
  expect(await find('clock-skew', { ...options, now })).toMatchObject({
    level: 'warning',
    message: expect.stringMatching(/(59|60)\.\d s apart/),
  })
  await database?.drop()
})
