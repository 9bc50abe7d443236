import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShapeServer, type ShapeServer } from '../../../src/dev/shape-server/index.ts'
import { exportData } from '../../../src/legacy/export/export-data.ts'
import { restoreExport } from '../../../src/legacy/export/restore-export.ts'
import { applyElectricSetup, planElectricSetup, runDoctor } from '../../../src/ops/index.ts'
import { eraseUser } from '../../../src/ops/retention/erase-user.ts'
import { runRetention } from '../../../src/ops/retention/run-retention.ts'
import {
  createSessionStore,
  createShapeProxy,
  ingestSessionLog,
  migrate,
  type ShapeHandler,
} from '../../../src/server/index.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { query } from '../../support/query.ts'

// The tables in a schema `sessions`, beside tables of an app in `public` that have the same names.

const ann = { tenantId: 'acme', userId: 'ann' }
const bob = { tenantId: 'acme', userId: 'bob' }
const LOG = new URL('../../fixtures/session-logs/codex/agentv-195k.jsonl', import.meta.url)
const directories = temporaryDirectories()
let database: TestDatabase
/** The database's URL with the schema in its search_path. */
let url: string
let engine: ShapeServer
let serveShape: ShapeHandler
let electricUrl: string
const store = () => createSessionStore({ database: url, requestLimits: false })

beforeAll(async () => {
  database = await freshDatabase()
  url = `${database.url}?options=-csearch_path%3Dsessions`
  await query(
    database.url,
    `CREATE TABLE sessions (tenant_id text, id text PRIMARY KEY, title text);
     INSERT INTO sessions VALUES ('acme', 'of-the-app', 'not the library’s');
     CREATE TABLE chat_messages (id text PRIMARY KEY)`,
  )
  await migrate({ database: url, schema: 'sessions' })
  engine = await createShapeServer({ database: database.url })
  const served = await engine.listen()
  electricUrl = served.url
  serveShape = createShapeProxy({
    electricUrl,
    schema: 'sessions',
    authenticate: (request) => (request.headers.get('x-user') === 'bob' ? bob : ann),
    limits: false,
  })
})
afterAll(async () => {
  serveShape?.close()
  await engine?.close()
  await database?.drop()
  await directories.remove()
})

const others: Record<string, Record<string, string>> = {
  threads: {},
  'session-grants': { sessionId: 's1' },
  'thread-states': {},
  'session-feedback': { sessionId: 's1' },
  'session-deltas': { sessionId: 's1', epoch: '0' },
  'thread-messages': { threadId: 'th1', sessionId: 's1', audience: 'tenant' },
}

/** Reads the rows of a shape as the proxy serves them. */
async function rowsOf(
  shape: string,
  params: Record<string, string> = {},
  user = 'ann',
): Promise<Record<string, string | null>[]> {
  const search = new URLSearchParams({ ...params, offset: '-1' })
  const response = await serveShape(
    new Request(`http://app/api/shapes/${shape}?${search}`, { headers: { 'x-user': user } }),
  )
  const text = await response.text()
  expect({ shape, status: response.status, text }).toMatchObject({ status: 200 })
  const messages = JSON.parse(text) as { value?: Record<string, string | null> }[]
  return messages.flatMap(({ value }) => (value === undefined ? [] : [value]))
}

test('writes and reads, through each shape, in its own schema', async () => {
  const writer = store()
  const { txid } = await writer.write(ann, {
    id: 'b1',
    mutations: [
      {
        collection: 'sessions',
        type: 'insert',
        value: { id: 's1', title: 'Ours', visibility: 'tenant' },
      },
      {
        collection: 'timelineEvents',
        type: 'insert',
        value: { id: 'e1', sessionId: 's1', seq: 0, kind: 'message', text: 'A zebra' },
      },
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: 'th1', sessionId: 's1', mode: 'session', title: 'Thread' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm1', threadId: 'th1', role: 'user', content: 'Hello' },
      },
    ],
  })
  expect(txid).toEqual(expect.any(Number))
  const session = { sessionId: 's1' }
  await expect
    .poll(async () => (await rowsOf('sessions')).map(({ title }) => title))
    .toEqual(['Ours'])
  expect(await rowsOf('session-timeline', session)).toMatchObject([{ id: 'e1' }])
  expect(await rowsOf('session-threads', session)).toMatchObject([{ id: 'th1' }])
  expect(await rowsOf('session-messages', session, 'bob')).toMatchObject([{ content: 'Hello' }])
  // None of them answers 400, as it would for a table or a column of the app's tables.
  for (const [name, params] of Object.entries(others)) await rowsOf(name, params)
  const { hits } = await writer.searchEvents(ann, { query: 'zebra', sessionId: 's1' })
  expect(hits).toHaveLength(1)

  await writer.write(ann, {
    id: 'b2',
    mutations: [
      { collection: 'sessions', type: 'update', id: 's1', changes: { visibility: 'private' } },
    ],
  })
  // A new shape: the first page of an old one stays, and its changes take the rows away.
  const revoked = { ...session, audience: 'tenant' }
  expect(await rowsOf('session-messages', revoked, 'bob')).toEqual([])
  await writer.close()
  expect(await query(database.url, 'SELECT id FROM public.sessions')).toEqual([
    { id: 'of-the-app' },
  ])
})

test('uploads, exports, restores, erases and expires there', async () => {
  const { Pool } = await import('pg')
  const pool = new Pool({ connectionString: url })
  const { sessionId } = await ingestSessionLog(pool, ann, {
    path: fileURLToPath(LOG),
    originalName: 'log.jsonl',
    visibility: 'tenant',
  })
  await pool.end()
  await expect.poll(() => rowsOf('session-timeline', { sessionId })).not.toEqual([])
  const directory = `${await directories.create()}/export`
  const manifest = await exportData({ database: url, tenantId: 'acme', directory })
  expect(JSON.stringify(manifest)).toContain('sessions')
  const erased = await eraseUser({ database: url, tenantId: 'acme', userId: 'ann' })
  expect(JSON.stringify(erased)).toContain('sessions')
  expect(await query(url, 'SELECT id FROM sessions')).toEqual([])
  await restoreExport({ database: url, tenantId: 'acme', directory })
  expect(await query(url, 'SELECT id FROM sessions ORDER BY title')).toHaveLength(2)
  await runRetention({ database: url, policy: { default: '1d' } })
  expect(await query(database.url, 'SELECT id FROM public.sessions')).toHaveLength(1)
})

test('setup-electric gives the app’s role the search_path, and the doctor finds the setup complete', async () => {
  const streamId = `own_schema_${process.pid}`
  const names = { electricRole: `electric_${streamId}`, appRole: `app_${streamId}`, streamId }
  const { passwords, steps } = await applyElectricSetup({ database: url, ...names })
  expect(steps.map(({ sql }) => sql).join('\n')).toMatch(/SET search_path = sessions/)
  expect((await planElectricSetup({ database: url, ...names })).steps).toEqual([])
  const appUrl = new URL(database.url)
  appUrl.username = names.appRole
  appUrl.password = passwords.app ?? ''
  const writer = createSessionStore({ database: appUrl.href })
  const value = { id: 'by-role', title: 'By the role' }
  await writer.write(ann, {
    id: 'b3',
    mutations: [{ collection: 'sessions', type: 'insert', value }],
  })
  await writer.close()
  expect(await query(url, "SELECT title FROM sessions WHERE id = 'by-role'")).toHaveLength(1)
  const findings = await runDoctor({ database: url, electricUrl, ...names })
  const problems = findings.filter(
    ({ level, check }) => level === 'error' && !['slot', 'tanstack-copies'].includes(check),
  )
  expect(problems).toEqual([])
  await query(
    database.url,
    `DROP PUBLICATION electric_publication_${streamId};
     DROP OWNED BY ${names.electricRole}, ${names.appRole};
     DROP ROLE ${names.electricRole}, ${names.appRole}`,
  )
})
