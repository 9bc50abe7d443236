import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { Pool } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportedTables, notExported } from '../../../src/legacy/export/exported-tables.ts'
import { exportData, importLegacySnapshots, restoreExport } from '../../../src/legacy/index.ts'
import { createSessionStore, ingestSessionLog } from '../../../src/server/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { snapshotDir } from './legacy-fixture.ts'

const ada = { tenantId: 'acme', userId: 'ada' }
const bob = { tenantId: 'acme', userId: 'bob' }
let source: TestDatabase
let pool: Pool
let work: string
const others: TestDatabase[] = []

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'session-db-export-'))
  source = await migratedDatabase()
  pool = new Pool({ connectionString: source.url })
  for (const [tenantId, snapshot] of [
    ['acme', '7f9df6a'],
    ['rival', '1cb2c27'],
  ] as const) {
    await importLegacySnapshots({
      database: pool,
      directory: snapshotDir(snapshot),
      tenantId,
      userId: 'ada',
      visibility: 'tenant',
    })
  }
  const log = Buffer.from(
    `${JSON.stringify({ timestamp: '2025-01-01T00:00:00Z', type: 'response_item', payload: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi "\\ \u2028 😀' }] } })}\nnot json\t\\\n`,
  )
  await ingestSessionLog(pool, ada, {
    id: 'log',
    originalName: 'a.jsonl',
    stream: (async function* () {
      yield log
    })(),
  })
  const store = createSessionStore({ database: pool })
  const { rows } = await pool.query(
    `SELECT id FROM chat_threads WHERE tenant_id = 'acme' AND message_count > 0 LIMIT 1`,
  )
  const threadId = rows[0].id
  const insert = (id: string) => ({
    collection: 'chatMessages' as const,
    type: 'insert' as const,
    value: {
      id,
      threadId,
      role: 'user' as const,
      content: `by bob ${id} \u0001 \\N \\. "`,
      metadata: { big: 1e300 },
    },
  })
  await store.write(bob, { id: 'b1', mutations: [insert('bob1'), insert('bob2')] })
  await store.write(bob, {
    id: 'b2',
    mutations: [
      { collection: 'chatMessages', type: 'update', id: 'bob1', changes: { content: 'edited' } },
    ],
  })
  await store.write(ada, {
    id: 'b3',
    mutations: [
      { collection: 'chatThreads', type: 'update', id: threadId, changes: { title: 'Ada only' } },
    ],
  })
  await store.write(bob, {
    id: 'b4',
    mutations: [
      { collection: 'threadStates', type: 'set', id: threadId, changes: { readPosition: 2 } },
      { collection: 'messageFeedback', type: 'set', id: 'bob1', changes: { rating: 'down' } },
    ],
  })
  await store.recordUsage(bob, { messageId: 'bob2', callId: '1', inputTokens: 5, cost: 0.1 })
  // The last activity of sessions is written now, not later while rows are compared.
  await store.close()
})

afterAll(async () => {
  await pool.end()
  await source.drop()
  await Promise.all(others.map((database) => database.drop()))
  await rm(work, { recursive: true, force: true })
})

async function emptyDatabase(): Promise<string> {
  const database = await migratedDatabase()
  others.push(database)
  return database.url
}

/** Every file below a directory, by its path there. */
async function filesOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
    .sort()
  const texts = await Promise.all(paths.map((path) => readFile(join(directory, path), 'utf8')))
  return Object.fromEntries(paths.map((path, index) => [path, texts[index] as string]))
}

test.each([
  ['a tenant', {}],
  ["a user's data", { userId: 'ada' }],
  ["a user's data in sessions of others", { userId: 'bob' }],
])('%s: a restored export is exported again with the same bytes', async (name, scope) => {
  const first = join(work, `first ${name}`)
  const second = join(work, `second ${name}`)
  await exportData({ database: pool, tenantId: 'acme', directory: first, ...scope })
  const url = await emptyDatabase()
  const report = await restoreExport({ database: url, tenantId: 'acme', directory: first })
  expect(report).toMatchObject({ ok: true, changed: true })
  await exportData({ database: url, tenantId: 'acme', directory: second, ...scope })
  const files = await filesOf(first)
  expect(await filesOf(second)).toEqual(files)
  expect(Object.keys(files).filter((path) => !path.startsWith('contents'))).toHaveLength(
    1 + exportedTables.length,
  )
  expect(files['chat-messages.ndjson']).not.toBe('')
  const again = await restoreExport({ database: url, tenantId: 'acme', directory: first })
  expect(again).toMatchObject({ ok: true, changed: false })
})

test('exports no rows of another tenant or user', async () => {
  const directory = join(work, 'bob')
  await exportData({ database: pool, ...bob, directory })
  const files = await filesOf(directory)
  const ids = (file: string) =>
    (files[file] ?? '')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).id)
  expect(ids('chat-messages.ndjson')).toEqual(['bob1', 'bob2'])
  expect(ids('timeline-events.ndjson')).toEqual([])
  expect(ids('chat-threads.ndjson')).toHaveLength(1)
  expect(JSON.parse(files['chat-threads.ndjson'] ?? '')).toMatchObject({
    title: 'Thread of another user',
    message_count: 2,
  })
  expect(files['chat-threads.ndjson']).not.toContain('audiences')
  expect(JSON.parse(files['chat-thread-states.ndjson'] ?? '')).toMatchObject({
    user_id: 'bob',
    read_position: 2,
  })
  expect(ids('chat-message-feedback.ndjson')).toHaveLength(1)
  expect(ids('chat-message-usage.ndjson')).toHaveLength(1)
  expect(files['sessions.ndjson']).not.toContain('uploads/')
  expect(Object.values(files).join('')).not.toContain('Ada only')
})

test('exports every table except those listed with a reason', async () => {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  )
  const known = [...exportedTables.map(({ table }) => table), ...Object.keys(notExported)]
  expect(rows.map(({ name }) => name).sort()).toEqual(known.sort())
})

test('keeps newer edits and messages, and adds what is missing', async () => {
  const directory = join(work, 'older')
  await exportData({ database: pool, tenantId: 'acme', directory })
  const url = await emptyDatabase()
  await restoreExport({ database: url, tenantId: 'acme', directory })
  const live = new Pool({ connectionString: url })
  try {
    const store = createSessionStore({ database: live })
    const { rows } = await live.query(`SELECT thread_id FROM chat_messages WHERE id = 'bob1'`)
    const threadId = rows[0].thread_id
    await store.write(bob, {
      id: 'x1',
      mutations: [
        { collection: 'chatMessages', type: 'update', id: 'bob2', changes: { content: 'newer' } },
        { collection: 'chatMessages', type: 'delete', id: 'bob1' },
        {
          collection: 'chatMessages',
          type: 'insert',
          value: { id: 'live', threadId, role: 'user', content: 'live' },
        },
      ],
    })
    const report = await restoreExport({ database: live, tenantId: 'acme', directory })
    expect(report).toMatchObject({ ok: true, changed: true })
    expect(report.tables.find(({ table }) => table === 'chat_messages')).toMatchObject({
      inserted: 1,
      newer: 1,
      differing: 0,
    })
    const messages = await live.query(
      `SELECT id, content FROM chat_messages WHERE thread_id = $1 AND id IN ('bob1', 'bob2', 'live') ORDER BY id`,
      [threadId],
    )
    expect(messages.rows).toEqual([
      { id: 'bob1', content: 'edited' },
      { id: 'bob2', content: 'newer' },
      { id: 'live', content: 'live' },
    ])
    const thread = await live.query(
      `SELECT message_count AS said, (SELECT count(*)::int FROM chat_messages m WHERE m.thread_id = t.id) AS "true"
       FROM chat_threads t WHERE id = $1`,
      [threadId],
    )
    expect(thread.rows[0].said).toBe(thread.rows[0].true)
  } finally {
    await live.end()
  }
})

test('refuses an export that was changed, and a directory that is not an export', async () => {
  const directory = join(work, 'changed')
  await exportData({ database: pool, tenantId: 'acme', directory })
  await writeFile(join(directory, 'sessions.ndjson'), '')
  const url = await emptyDatabase()
  const run = (from: string) => restoreExport({ database: url, tenantId: 'acme', directory: from })
  await expect(run(directory)).rejects.toThrow('sessions.ndjson was changed since it was exported')
  await mkdir(join(work, 'none'))
  await expect(run(join(work, 'none'))).rejects.toThrow('is not an export')
  const occupied = exportData({ database: pool, tenantId: 'acme', directory })
  await expect(occupied).rejects.toThrow('is not empty')
})

test('refuses a tenant or a user without data, and leaves no directory', async () => {
  const directory = join(work, 'unknown')
  const refused = (options: { tenantId: string; userId?: string }) =>
    expect(exportData({ database: pool, directory, ...options })).rejects
  await refused({ tenantId: 'amce' }).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('There is no data of the tenant "amce"'),
  })
  await refused({ tenantId: 'acme', userId: 'nobody' }).toMatchObject({
    message: expect.stringContaining('There is no data of the user "nobody" of the tenant "acme"'),
  })
  expect(await readdir(work)).not.toContain('unknown')
})

test('restores an export into a tenant of another name', async () => {
  const directory = join(work, 'moved')
  await exportData({ database: pool, tenantId: 'acme', directory })
  const report = await restoreExport({ database: pool, tenantId: 'elsewhere', directory })
  expect(report).toMatchObject({ ok: true, changed: true })
})
