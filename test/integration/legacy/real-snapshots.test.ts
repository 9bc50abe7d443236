import { describe, expect, test } from 'vitest'
import { formatImportReport, importLegacySnapshots } from '../../../src/legacy/index.ts'
import { readJson, snapshotDir, snapshots, useDatabase } from './legacy-fixture.ts'

const database = useDatabase()
const run = (name: string, tenantId: string, options: { dryRun?: boolean } = {}) =>
  importLegacySnapshots({
    database: database.pool,
    directory: snapshotDir(name),
    tenantId,
    userId: 'ada',
    ...options,
  })

describe.each(snapshots)('snapshot %s', (name) => {
  const tenantId = `tenant-${name}`

  test('is only reported in a dry run', async () => {
    const before = await database.everyRow()
    const report = await run(name, tenantId, { dryRun: true })
    expect(report).toMatchObject({ ok: true, dryRun: true, changed: true, badRecords: [] })
    expect(await database.everyRow()).toEqual(before)
    expect(formatImportReport(report)).toContain('nothing was written')
  })

  test('is imported with its threads and messages unchanged', async () => {
    const report = await run(name, tenantId)
    expect(report).toMatchObject({ ok: true, changed: true, badRecords: [] })
    expect(formatImportReport(report)).toContain('Files and database agree.')

    const threads = await readJson(snapshotDir(name), 'chat-threads.json')
    const stored = await database.pool.query(
      `SELECT id, session_id AS "sessionId", mode, title, status, created_at, updated_at,
         created_by, message_count FROM chat_threads WHERE tenant_id = $1 ORDER BY id`,
      [tenantId],
    )
    expect(stored.rows).toMatchObject(
      threads
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .map(({ id, sessionId, mode, title, status, createdAt, updatedAt }) => ({
          id,
          sessionId,
          mode,
          title,
          status,
          created_by: 'ada',
          created_at: new Date(createdAt),
          updated_at: new Date(updatedAt),
        })),
    )

    const messages = await readJson(snapshotDir(name), 'chat-messages.json')
    for (const thread of stored.rows) {
      const own = messages.filter(({ threadId }) => threadId === thread.id)
      const rows = await database.pool.query(
        `SELECT id, role, content, client_message_id, created_at, updated_at FROM chat_messages
         WHERE tenant_id = $1 AND thread_id = $2 AND role <> 'tool' ORDER BY position`,
        [tenantId, thread.id],
      )
      expect(rows.rows).toEqual(
        own
          .toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt))
          .map(({ id, role, content, clientMessageId, createdAt, updatedAt }) => ({
            id,
            role,
            content,
            client_message_id: clientMessageId ?? null,
            created_at: new Date(createdAt),
            updated_at: new Date(updatedAt),
          })),
      )
    }
  })

  test('changes nothing when it is imported again', async () => {
    const before = await database.everyRow()
    const report = await run(name, tenantId)
    expect(report).toMatchObject({ ok: true, changed: false, badRecords: [] })
    expect(formatImportReport(report)).toContain('Nothing changed')
    expect(await database.everyRow()).toEqual(before)
  })
})

test.each([
  ['oldest first', snapshots],
  ['newest first', snapshots.toReversed()],
])(
  'all of them into one tenant, %s; importing them again changes nothing',
  async (order, names) => {
    const tenantId = `all-${order}`
    for (const name of names) expect(await run(name, tenantId)).toMatchObject({ ok: true })
    const before = await database.everyRow()
    for (const name of names) {
      expect(await run(name, tenantId)).toMatchObject({ ok: true, changed: false })
    }
    expect(await database.everyRow()).toEqual(before)
    const positions = await database.pool.query(
      `SELECT thread_id, array_agg(position::int ORDER BY position) AS positions, count(*)::int
     FROM chat_messages WHERE tenant_id = $1 GROUP BY thread_id`,
      [tenantId],
    )
    for (const { positions: given, count } of positions.rows) {
      expect(given).toEqual(Array.from({ length: count }, (_, index) => index + 1))
    }
  },
)

test('tool events become messages of their thread, ordered by time', async () => {
  const { rows } = await database.pool.query(
    `SELECT content, parts, metadata, created_at FROM chat_messages
     WHERE tenant_id = 'tenant-7f9df6a' AND role = 'tool' ORDER BY position`,
  )
  expect(rows).toHaveLength(3)
  expect(rows[2]).toEqual({
    content: 'list_timeline_events',
    parts: [
      {
        type: 'dynamic-tool',
        toolName: 'list_timeline_events',
        toolCallId: '718460984',
        state: 'input-available',
        input: { sessionId: 'session-default', startNumber: 1, endNumber: 10, limit: 5 },
      },
    ],
    metadata: { status: 'executing', startedAt: '2025-12-19T14:31:27.212Z' },
    created_at: new Date('2025-12-19T14:31:27.212Z'),
  })
})

test('sessions without a record become private stubs with a readable title', async () => {
  const { rows } = await database.pool.query(
    `SELECT id, owner_id, visibility, status, source, title, metadata FROM sessions
     WHERE tenant_id = 'tenant-7f9df6a' ORDER BY id`,
  )
  expect(rows.map(({ title }) => title)).toEqual([
    'uploads/~/.codex/ses',
    'uploads/~/.gemini/tm',
    'Default session',
  ])
  for (const row of rows) {
    expect(row).toMatchObject({
      owner_id: 'ada',
      visibility: 'private',
      status: 'ready',
      source: 'import',
      metadata: { stub: true },
    })
  }
})
