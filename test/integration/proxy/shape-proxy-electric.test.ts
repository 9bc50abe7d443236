import {
  isChangeMessage,
  type Row,
  Shape,
  ShapeStream,
  type ShapeStreamInterface,
} from '@electric-sql/client'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Principal } from '../../../src/schema/principal.ts'
import { migrate } from '../../../src/server/migrations/migrate.ts'
import { createShapeProxy } from '../../../src/server/proxy/node-shape-proxy.ts'
import { type Engine, startEngine } from '../../support/engine.ts'
import { givenEngine } from '../../support/given-engine.ts'
import { fc } from '../../support/property.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'
import { createMaterializedClient } from '../shape-server/materialized-client.ts'

let engine: Engine
let pool: Pool
let app: Served
const streams: AbortController[] = []

beforeAll(async () => {
  engine = await startEngine({ secret: 'keep-this-to-yourself' })
  await migrate({ database: engine.databaseUrl })
  pool = new Pool({ connectionString: engine.databaseUrl })
  await fill()
  app = await serve(proxyOf(engine.electricUrl))
})

function proxyOf(electricUrl: string) {
  return createShapeProxy({
    electricUrl,
    ...(engine.secret && { secret: engine.secret }),
    limits: false,
    authenticate: (request) => {
      const [tenantId, userId] = (request.headers.get('authorization') ?? '').split('/')
      return tenantId && userId ? { tenantId, userId } : null
    },
  })
}

afterEach(() => {
  for (const stream of streams.splice(0)) stream.abort()
})

afterAll(async () => {
  await app?.close()
  await pool?.end()
  await engine?.close()
})

/** Two tenants with the same session, thread and message ids. */
async function fill(): Promise<void> {
  await pool.query(`
    INSERT INTO sessions (tenant_id, id, owner_id, visibility, title, content_ref)
    SELECT t, 's' || n, u, v, t || ' s' || n, 'pg:hidden-' || t
    FROM unnest(ARRAY['t1', 't2']) t, (VALUES
      (1, 'ann', 'private'), (2, 'ann', 'tenant'), (3, 'bob', 'private'), (4, 'bob', 'tenant')
    ) AS s(n, u, v);
    INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
    SELECT tenant_id, 'th-' || id, id, owner_id, 'session', tenant_id || ' thread of ' || id
    FROM sessions;
    INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
    SELECT t.tenant_id, 'm-' || t.id || '-' || n, t.id, t.session_id, t.created_by, 'user',
      t.tenant_id || ' message ' || n, n
    FROM chat_threads t, generate_series(1, 3) n;
    INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, text)
    SELECT tenant_id, 'e-' || id || '-' || n, id, n, 'message', tenant_id || ' event ' || n
    FROM sessions, generate_series(0, 2) n;`)
}

const as = ({ tenantId, userId }: Principal) => ({ authorization: `${tenantId}/${userId}` })

/** Follows a shape as a browser does. */
function follow(
  principal: Principal,
  name: string,
  params: Record<string, string> = {},
): Shape<Row> {
  const controller = new AbortController()
  streams.push(controller)
  const url = `${app.url}/api/shapes/${name}`
  const options = {
    url,
    params,
    headers: as(principal),
    signal: controller.signal,
    warnOnHttp: false,
  }
  return new Shape(
    new ShapeStream(
      options as ConstructorParameters<typeof ShapeStream>[0],
    ) as unknown as ShapeStreamInterface<Row>,
  )
}

/** Follows a shape and applies its moves in and out, as the collections do. */
function materialize(principal: Principal, name: string, params: Record<string, string> = {}) {
  const viaProxy = (request: Request) =>
    fetch(`${app.url}/api/shapes/${name}${new URL(request.url).search}`, { headers: as(principal) })
  return createMaterializedClient(viaProxy, params)
}

const ids = (rows: Row[]) => rows.map(({ id }) => String(id)).sort()

/** Reads a shape until it is up to date; returns its rows and the place to continue from. */
async function readAll(
  principal: Principal,
  path: string,
): Promise<{ rows: Row[]; place: string }> {
  const rows: Row[] = []
  let place = 'offset=-1'
  for (;;) {
    const separator = path.includes('?') ? '&' : '?'
    const response = await fetch(`${app.url}/${path}${separator}${place}`, {
      headers: as(principal),
    })
    expect(response.status).toBe(200)
    const messages = await response.json()
    for (const message of messages) if (isChangeMessage(message)) rows.push(message.value)
    const handle = response.headers.get('electric-handle')
    place = `offset=${response.headers.get('electric-offset')}&handle=${handle}`
    if (response.headers.has('electric-up-to-date')) return { rows, place }
  }
}

const visible = `(s.owner_id = $2 OR s.visibility = 'tenant')`
const truth: Record<string, { sql: string; params: readonly string[] }> = {
  sessions: {
    sql: `SELECT s.id FROM sessions s WHERE s.tenant_id = $1 AND ${visible} AND $3 <> '' AND $4 <> ''`,
    params: [],
  },
  'session-threads': childTruth('chat_threads'),
  'session-messages': childTruth('chat_messages'),
  'session-timeline': childTruth('timeline_events'),
  'thread-messages': childTruth('chat_messages', 'c.thread_id = $4', ['sessionId', 'threadId']),
}

function childTruth(table: string, where = `$4 <> ''`, params = ['sessionId']) {
  const join = 'JOIN sessions s ON s.tenant_id = c.tenant_id AND s.id = c.session_id'
  const sql = `SELECT c.id FROM ${table} c ${join}
    WHERE c.tenant_id = $1 AND ${visible} AND c.session_id = $3 AND ${where}`
  return { sql, params }
}

test('every principal gets exactly the rows of the SQL reference for every shape', async () => {
  const principal = fc.record({
    tenantId: fc.constantFrom('t1', 't2', 't3'),
    userId: fc.constantFrom('ann', 'bob', 'eve'),
  })
  const attack = fc.constantFrom("s1' OR '1'='1", 's1) OR (1=1', '$1', 'none')
  const sessionId = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('s1', 's2', 's3', 's4') },
    { weight: 1, arbitrary: attack },
  )
  const threadId = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('th-s1', 'th-s2', 'th-s3', 'th-s4') },
    { weight: 1, arbitrary: attack },
  )
  const cases = fc.asyncProperty(
    principal,
    fc.constantFrom(...Object.keys(truth)),
    sessionId,
    threadId,
    async (who, name, ...values) => {
      const { sql, params } = truth[name] ?? { sql: '', params: [] }
      const pairs = params.map((param, index) => [param, values[index] ?? ''])
      const query = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`
      const { rows } = await readAll(who, `${name}${query}`)
      const expected = await pool.query(sql, [who.tenantId, who.userId, ...values])
      expect(ids(rows)).toEqual(ids(expected.rows))
      for (const row of rows) {
        expect(row.tenant_id).toBe(who.tenantId)
        expect(row).not.toHaveProperty('content_ref')
      }
    },
  )
  await fc.assert(cases, { numRuns: 150 })
})

describe('a browser that follows a shape', () => {
  test('receives rows as they are written', async () => {
    const messages = follow({ tenantId: 't1', userId: 'eve' }, 'thread-messages', {
      sessionId: 's2',
      threadId: 'th-s2',
    })
    await vi.waitFor(() => expect(ids(messages.currentRows)).toHaveLength(3), 60_000)
    await pool.query(`INSERT INTO chat_messages
      (tenant_id, id, thread_id, session_id, author_id, role, content, position)
      SELECT t, 'live', 'th-s2', 's2', 'ann', 'user', t, 4 FROM unnest(ARRAY['t1', 't2']) t`)
    await vi.waitFor(() => expect(ids(messages.currentRows)).toContain('live'), 60_000)
    expect(messages.currentRows.find(({ id }) => id === 'live')).toMatchObject({ content: 't1' })
  })

  // Counts on a connection of this machine, and is about the proxy.
  test.skipIf(givenEngine() !== undefined)(
    'shares one poll to the engine with other browsers of the same shape',
    async () => {
      const polls: string[] = []
      const enginePort = Number(new URL(engine.electricUrl).port)
      const way = await startTcpProxy(enginePort, (client, upstream) => {
        client.on('data', (bytes) => polls.push(...(String(bytes).match(/live=true/g) ?? [])))
        client.pipe(upstream).pipe(client)
      })
      const crowd = await serve(proxyOf(`http://127.0.0.1:${way.port}`))
      onTestFinished(async () => {
        await crowd.close()
        await way.close()
      })
      const eve = { tenantId: 't1', userId: 'eve' }
      const path = 'session-threads?sessionId=s2'
      const { place } = await readAll(eve, path)
      const live = `${crowd.url}/${path}&${place}&live=true`
      const asked = Array.from({ length: 20 }, () => fetch(live, { headers: as(eve) }))
      await expect.poll(() => polls.length).toBeGreaterThan(0)
      await pool.query(`INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
      VALUES ('t1', 'th-new', 's2', 'ann', 'session', 'new')`)
      for (const answer of await Promise.all(asked)) expect(await answer.text()).toContain('th-new')
      expect(polls.length).toBeLessThan(asked.length)
    },
  )

  test('loses a session with its children immediately when it becomes private, and gets them back', async () => {
    const eve = { tenantId: 't2', userId: 'eve' }
    const sessions = materialize(eve, 'sessions')
    const children = [
      materialize(eve, 'session-messages', { sessionId: 's4' }),
      materialize(eve, 'session-timeline', { sessionId: 's4' }),
      materialize(eve, 'thread-messages', { sessionId: 's4', threadId: 'th-s4' }),
    ]
    const clients = [sessions, ...children]
    const expectAfter = async (visibility: string, sizes: number[]) => {
      await pool.query(`UPDATE sessions SET visibility = $1 WHERE tenant_id = 't2' AND id = 's4'`, [
        visibility,
      ])
      await vi.waitFor(async () => {
        await Promise.all(clients.map((client) => client.poll()))
        expect(clients.map(({ rows }) => rows.size)).toEqual(sizes)
      }, 60_000)
      expect(clients.map(({ refetches }) => refetches)).toEqual([0, 0, 0, 0])
    }
    await expectAfter('tenant', [2, 3, 3, 3])
    await expectAfter('private', [1, 0, 0, 0])
    await expectAfter('tenant', [2, 3, 3, 3])
  })
})

test("returns no rows of another user for that user's handle", async () => {
  const ann = { tenantId: 't1', userId: 'ann' }
  const own = await fetch(`${app.url}/sessions?offset=-1`, { headers: as(ann) })
  const query = `offset=${own.headers.get('electric-offset')}&handle=${own.headers.get('electric-handle')}`
  for (const live of ['', '&live=true']) {
    const stolen = await fetch(`${app.url}/sessions?${query}${live}`, {
      headers: as({ tenantId: 't2', userId: 'ann' }),
    })
    expect(stolen.status).toBe(409)
    expect(await stolen.json()).toEqual([{ headers: { control: 'must-refetch' } }])
    expect(stolen.headers.get('electric-handle')).not.toBe(own.headers.get('electric-handle'))
  }
})

test('returns 304 for an ETag to its owner, and a complete response to others', async () => {
  const ask = (who: Principal, etag?: string) =>
    fetch(`${app.url}/sessions?offset=-1`, {
      headers: { ...as(who), ...(etag === undefined ? {} : { 'if-none-match': etag }) },
    })
  const ann = { tenantId: 't1', userId: 'ann' }
  const etag = (await ask(ann)).headers.get('etag') ?? ''
  expect((await ask(ann, etag)).status).toBe(304)
  expect((await ask({ tenantId: 't1', userId: 'bob' }, etag)).status).toBe(200)
})

test('returns 400 for a protocol parameter the engine refuses, without the engine’s other text', async () => {
  const response = await fetch(`${app.url}/sessions?offset=abc`, {
    headers: as({ tenantId: 't1', userId: 'ann' }),
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({
    error: { code: 'invalid', message: expect.stringContaining('offset') },
  })
})

const given = givenEngine()
test.skipIf(given && !given.secret)('returns 502, not 401, for a wrong secret', async () => {
  const serveShape = createShapeProxy({
    electricUrl: engine.electricUrl,
    secret: 'wrong',
    authenticate: () => ({ tenantId: 't1', userId: 'ann' }),
  })
  const response = await serveShape(new Request('http://app.test/sessions?offset=-1'))
  expect(response.status).toBe(502)
  expect(await response.text()).not.toMatch(/secret|wrong/)
})
