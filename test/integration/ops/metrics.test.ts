import { trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createShapeServer, type ShapeServer } from '../../../src/dev/shape-server/index.ts'
import { createMetrics, type Metrics } from '../../../src/metrics.ts'
import { createSyncDelays } from '../../../src/ops/metrics/sync-delays.ts'
import { createSessionStore, createShapeProxy } from '../../../src/server/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'

const principal = { tenantId: 'tenant-of-nobody-else', userId: 'user-of-nobody-else' }

let database: TestDatabase
let pool: Pool
let shapes: ShapeServer
let electricUrl: string

beforeAll(async () => {
  database = await migratedDatabase()
  pool = new Pool({ connectionString: database.url })
  pool.on('error', () => {})
  shapes = await createShapeServer({ database: database.url })
  electricUrl = (await shapes.listen()).url
})
afterAll(async () => {
  await shapes.close()
  await pool.end()
  await database.drop()
})

let metrics: Metrics
let app: Served | undefined
beforeEach(() => {
  metrics = createMetrics()
})

function proxy() {
  return metrics.watchShapes(
    createShapeProxy({ electricUrl, authenticate: () => principal, logger: metrics.shapeLogger }),
  )
}

async function read(): Promise<string> {
  const response = await metrics.handler(new Request('http://app/metrics'))
  expect(response.headers.get('content-type')).toContain('text/plain')
  return response.text()
}

const insertSession = (id: string) => ({
  id: `batch-${id}`,
  mutations: [
    {
      collection: 'sessions',
      type: 'insert',
      value: { id, title: 'secret title', source: 'upload', format: 'codex' },
    },
  ],
})

test('counts and times writes by result, without changing the store otherwise', async () => {
  const plain = createSessionStore({ database: pool })
  const store = metrics.watchStore(plain)
  await store.write(principal, insertSession('m1'))
  await expect(store.write(principal, { id: 'x', mutations: [] })).rejects.toMatchObject({
    code: 'invalid',
  })
  expect(await store.readMessage(principal, 'nowhere')).toBeUndefined()
  const text = await read()
  expect(text).toContain('session_db_writes_total{result="ok"} 1')
  expect(text).toContain('session_db_writes_total{result="invalid"} 1')
  expect(text).toContain('session_db_write_duration_seconds_count{result="ok"} 1')
})

test('counts live clients, and times how long a write takes to reach them', async () => {
  const store = metrics.watchStore(createSessionStore({ database: pool }))
  app = await serve(proxy())
  const ask = (query: Record<string, string>, init: RequestInit = {}) =>
    fetch(`${app?.url}/sessions?${new URLSearchParams(query)}`, init)
  const first = await ask({ offset: '-1' })
  await first.text()
  const [handle, offset] = ['electric-handle', 'electric-offset'].map(
    (name) => first.headers.get(name) ?? '',
  ) as [string, string]
  const leaving = new AbortController()
  const live = { handle, offset, live: 'true' }
  const answered = ask(live).then((response) => response.text())
  const left = ask(live, { signal: leaving.signal }).catch(() => undefined)
  await eventually(async () => expect(await read()).toContain('session_db_live_clients 2'))
  leaving.abort()
  await left
  await eventually(async () => expect(await read()).toContain('session_db_live_clients 1'))
  await store.write(principal, insertSession('m2'))
  expect(await answered).toContain('m2')
  await eventually(async () => expect(await read()).toContain('session_db_live_clients 0'))
  const text = await read()
  expect(text).toContain('session_db_sync_delay_seconds_count 1')
  expect(text).toMatch(
    /session_db_shape_requests_total\{shape="sessions",status="200",live="false"\} 1/,
  )
  await app.close()
})

test('labels contain no ids and no names made up by clients', async () => {
  const store = metrics.watchStore(createSessionStore({ database: pool }))
  const serveShape = proxy()
  await store.write(principal, insertSession('m3'))
  for (const name of ['made-up-1', 'made-up-2', '%00', '__proto__']) {
    await serveShape(new Request(`http://app/shapes/${name}?offset=-1`)).catch(() => undefined)
  }
  const text = await read()
  expect(text).not.toMatch(/nobody-else|m3|secret|made-up|__proto__/)
  expect(text).toMatch(/shape="(?:unknown|none)"/)
})

test('a missing slot is not up and has no lag', async () => {
  const name = new URL(database.url).pathname.slice(-8)
  metrics.watchReplication({ database: pool, streamId: name })
  const away = await read()
  expect(away).toContain('session_db_replication_up 0')
  expect(away).toMatch(/session_db_replication_lag_bytes NaN/i)
  await pool.query(`SELECT pg_create_logical_replication_slot('electric_slot_${name}', 'pgoutput')`)
  expect(await read()).toMatch(/session_db_replication_retained_wal_bytes \d+/)
  await pool.query(`SELECT pg_drop_replication_slot('electric_slot_${name}')`)
})

test('counts unfinished uploads, and shows a running import', async () => {
  metrics.watchUploads({ database: pool })
  metrics.importProgress({ done: 3, total: 10 })
  const text = await read()
  expect(text).toContain('session_db_uploads{state="queued"} 0')
  expect(text).toContain('session_db_import_records{of="done"} 3')
})

test('creates spans without ids for writes and shape requests', async () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  trace.setGlobalTracerProvider(provider)
  const store = metrics.watchStore(createSessionStore({ database: pool }))
  await store.write(principal, insertSession('m4'))
  await store.write(principal, { id: 'x', mutations: [] }).catch(() => undefined)
  await proxy()(new Request('http://app/shapes/sessions?offset=-1'))
  const spans = exporter.getFinishedSpans().map(({ name, attributes }) => ({ name, attributes }))
  trace.disable()
  expect(spans).toEqual([
    { name: 'session_db.write', attributes: { 'session_db.mutations': 1 } },
    {
      name: 'session_db.write',
      attributes: { 'session_db.mutations': 0, 'session_db.error': 'invalid' },
    },
    { name: 'session_db.shape', attributes: { 'http.response.status_code': 200 } },
  ])
})

describe('sync delays', () => {
  const encoder = new TextEncoder()

  test.each([
    ['as it is', '{"headers":{"txids":[41,42]}}'],
    ['inside a frame', '{"body":"{\\"headers\\":{\\"txids\\":[42]}}"}'],
  ])('a txid is read %s, wherever the chunks are cut', (_, text) => {
    const bytes = encoder.encode(text)
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const seen: number[] = []
      const delays = createSyncDelays({ observe: (seconds: number) => seen.push(seconds) } as never)
      delays.written(42)
      const chunkReader = delays.chunkReader()
      chunkReader(bytes.slice(0, cut))
      chunkReader(bytes.slice(cut))
      expect(seen.length, `cut at ${cut}`).toBe(1)
    }
  })

  test('drops the oldest pending write beyond the maximum', () => {
    let seen = 0
    const delays = createSyncDelays({
      observe: () => {
        seen += 1
      },
    } as never)
    for (let txid = 1; txid <= 10_001; txid += 1) delays.written(txid)
    const chunkReader = delays.chunkReader()
    chunkReader(encoder.encode('"txids":[1]'))
    expect(seen).toBe(0)
    chunkReader(encoder.encode('"txids":[2]'))
    expect(seen).toBe(1)
  })
})
