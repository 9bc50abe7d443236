import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  createHealthHandler,
  type HealthHandlerOptions,
  type Readiness,
} from '../../../src/ops/index.ts'
import { freshDatabase, migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { query } from '../../support/query.ts'
import { listen, type Served } from '../../unit/proxy/serve.ts'

let database: TestDatabase
let pool: Pool
let electric: Served
let electricStatus = 200
let asked = 0

beforeAll(async () => {
  database = await migratedDatabase()
  pool = new Pool({ connectionString: database.url })
  pool.on('error', () => {})
  electric = await listen((_, response) => {
    asked += 1
    response.writeHead(electricStatus).end('{}')
  })
})
afterAll(async () => {
  await pool.end()
  await electric.close()
  await database.drop()
})
beforeEach(() => {
  electricStatus = 200
  asked = 0
})

async function probe(
  path: string,
  options: Partial<HealthHandlerOptions> = {},
): Promise<{ status: number; body: Readiness }> {
  const serveHealth = createHealthHandler({ database: pool, timeoutMs: 30_000, ...options })
  const response = await serveHealth(new Request(`http://app${path}`))
  return { status: response.status, body: (await response.json()) as Readiness }
}

const reasons = ({ checks }: Readiness) =>
  Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ name, reason }) => [name, reason]))

test('/live answers 200 without a database', async () => {
  const nowhere = new Pool({ connectionString: 'postgresql://127.0.0.1:1/none' })
  expect((await probe('/health/live', { database: nowhere })).status).toBe(200)
  await nowhere.end()
})

test('is ready with a migrated database and an active engine', async () => {
  const found = await probe('/ready', { electricUrl: electric.url, streamId: false })
  expect(found.status).toBe(200)
  expect(found.body.status).toBe('ready')
  expect(found.body.checks.map(({ name }) => name)).toEqual(['database', 'migrations', 'electric'])
})

test('is not ready without its database, and the reason names no host', async () => {
  const nowhere = new Pool({ connectionString: 'postgresql://ada:secret@127.0.0.1:1/none' })
  const { status, body } = await probe('/ready', { database: nowhere })
  await nowhere.end()
  expect([status, body.status]).toEqual([503, 'not ready'])
  expect(reasons(body)).toMatchObject({ database: 'failed (ECONNREFUSED)' })
  expect(JSON.stringify(body)).not.toMatch(/127\.0\.0\.1|secret|ada/)
})

test('reports a database that does not answer in time', async () => {
  const blocked = { query: () => new Promise(() => {}) } as unknown as Pool
  const { status, body } = await probe('/ready', { database: blocked, timeoutMs: 50 })
  expect(status).toBe(503)
  expect(reasons(body)).toMatchObject({ database: 'no answer within 50 ms' })
})

test('is not ready with pending migrations, and names them', async () => {
  const old = await freshDatabase()
  const oldPool = new Pool({ connectionString: old.url })
  const { status, body } = await probe('/ready', { database: oldPool })
  await oldPool.end()
  await old.drop()
  expect(status).toBe(503)
  expect(reasons(body).migrations).toContain('not applied: 0001')
})

test('is degraded without an active engine, or not ready if Electric is required', async () => {
  electricStatus = 202
  const options = { electricUrl: electric.url, streamId: false } as const
  const starting = await probe('/ready', options)
  expect([starting.status, starting.body.status]).toEqual([200, 'degraded'])
  expect(reasons(starting.body)).toEqual({ electric: 'answers 202' })
  const gone = await probe('/ready', { ...options, electricUrl: 'http://127.0.0.1:1' })
  expect(reasons(gone.body)).toEqual({ electric: 'no answer' })
  const required = await probe('/ready', { ...options, required: ['database', 'electric'] })
  expect(required.status).toBe(503)
})

test('is degraded with a missing or inactive slot', async () => {
  const streamId = `health_${new URL(database.url).pathname.slice(-8)}`
  const options = { electricUrl: electric.url, streamId }
  expect(reasons((await probe('/ready', options)).body)).toEqual({
    replication: 'there is no replication slot',
  })
  const slot = `electric_slot_${streamId}`
  await query(database.url, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  expect(reasons((await probe('/ready', options)).body)).toEqual({
    replication: 'the replication slot is inactive',
  })
  await query(database.url, `SELECT pg_drop_replication_slot('${slot}')`)
})

test('runs its checks once for concurrent probes', async () => {
  const serveHealth = createHealthHandler({
    database: pool,
    electricUrl: electric.url,
    streamId: false,
    cacheMs: 60_000,
    timeoutMs: 30_000,
  })
  const ask = () => serveHealth(new Request('http://app/ready'))
  await Promise.all(Array.from({ length: 50 }, ask))
  expect((await ask()).status).toBe(200)
  expect(asked).toBe(1)
})

test('refuses other paths and methods', async () => {
  const serveHealth = createHealthHandler({ database: pool })
  expect((await serveHealth(new Request('http://app/health'))).status).toBe(404)
  const post = await serveHealth(new Request('http://app/ready', { method: 'POST' }))
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})
