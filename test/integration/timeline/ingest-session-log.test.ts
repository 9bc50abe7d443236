import { createReadStream, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ingestSessionLog } from '../../../src/server/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'

const directory = new URL('../../fixtures/session-logs/codex/', import.meta.url)
const pathOf = (name: string) => fileURLToPath(new URL(name, directory))
const ann = { tenantId: 't1', userId: 'ann' }

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await migratedDatabase()
  pool = new Pool({ connectionString: database.url })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

async function everyRow(): Promise<unknown> {
  const { rows } = await pool.query(
    `SELECT 'session' AS what, id, xmin::text FROM sessions
     UNION ALL SELECT 'event', id, xmin::text FROM timeline_events ORDER BY 1, 2`,
  )
  return rows
}

const ofText = (...lines: string[]) => ({
  originalName: 'log.jsonl',
  stream: (async function* () {
    yield new TextEncoder().encode(lines.join('\n'))
  })(),
})

test.each(readdirSync(directory))(
  'creates a ready session with an event per line from %s',
  async (name) => {
    const principal = { tenantId: `t-${name}`, userId: 'ann' }
    const log = { path: pathOf(name), originalName: name }
    const ingested = await ingestSessionLog(pool, principal, log)
    const lines = readFileSync(pathOf(name), 'utf8')
      .split('\n')
      .filter((line) => line.trim())
    expect(ingested.created).toBe(true)
    // A patch that Codex reports no end of adds an event for its change.
    expect(ingested.eventCount).toBeGreaterThanOrEqual(lines.length)
    const { rows } = await pool.query('SELECT * FROM sessions WHERE tenant_id = $1', [
      principal.tenantId,
    ])
    const times = lines.flatMap((line) => /^\{"timestamp":"([^"]+Z)"/.exec(line)?.[1] ?? [])
    expect(rows).toMatchObject([
      {
        id: ingested.sessionId,
        owner_id: 'ann',
        visibility: 'private',
        status: 'ready',
        format: 'codex',
        source: 'upload',
        original_name: name,
        event_count: ingested.eventCount,
        ended_at: new Date(times.at(-1) ?? 0),
        content_bytes: String(readFileSync(pathOf(name)).byteLength),
        workspace_root: JSON.parse(lines[0] ?? '').payload.cwd,
      },
    ])
    expect(rows[0].started_at <= new Date(times[0] ?? 0)).toBe(true)
    const stored = await pool.query<{ seq: number; line: number }>(
      `SELECT seq, (data ->> 'line')::int AS line FROM timeline_events
     WHERE tenant_id = $1 AND session_id = $2 ORDER BY seq`,
      [principal.tenantId, ingested.sessionId],
    )
    expect(stored.rows.map(({ seq }) => seq)).toEqual([...Array(ingested.eventCount).keys()])
    const stillMissing = new Set(lines.map((_, index) => index + 1))
    for (const { line } of stored.rows) stillMissing.delete(line)
    expect([...stillMissing]).toEqual([])
    const before = await everyRow()
    await expect(ingestSessionLog(pool, principal, log)).resolves.toEqual({
      ...ingested,
      created: false,
    })
    expect(await everyRow()).toEqual(before)
  },
)

describe('an ingested session', () => {
  test('takes title and repository from the log', async () => {
    await ingestSessionLog(pool, ann, {
      id: 's-title',
      path: pathOf('agentv-195k.jsonl'),
      originalName: 'a.jsonl',
      visibility: 'tenant',
      source: 'bundled',
    })
    const { rows } = await pool.query(`SELECT * FROM sessions WHERE id = 's-title'`)
    expect(rows).toMatchObject([
      { visibility: 'tenant', source: 'bundled', repo_label: expect.stringContaining('agentv') },
    ])
    expect(rows[0].title.length).toBeGreaterThan(3)
    expect(rows[0].title).not.toBe('a.jsonl')
    expect(rows[0].repo).toHaveProperty('branch')
  })

  test('is the same from a stream as from the file', async () => {
    const name = 'skills-0118-a.jsonl'
    const fromFile = await ingestSessionLog(pool, ann, { path: pathOf(name), originalName: name })
    const stream = createReadStream(pathOf(name))
    await expect(ingestSessionLog(pool, ann, { stream, originalName: name })).resolves.toEqual({
      ...fromFile,
      created: false,
    })
  })

  test('stores text that Postgres rejects, replaced and marked', async () => {
    const { sessionId } = await ingestSessionLog(
      pool,
      ann,
      ofText(
        '{"type":"session_meta","payload":{"id":"a\\u0000","cwd":"/tmp/\\ud800","git":{"branch":"\\u0000"}}}',
        '{"type":"event_msg","payload":{"type":"user_message","message":"a\\u0000b"}}',
        'not json \u0000',
      ),
    )
    const { rows } = await pool.query(
      'SELECT title, text, data FROM timeline_events WHERE session_id = $1 ORDER BY seq',
      [sessionId],
    )
    expect(rows).toMatchObject([
      { data: { id: 'a\uFFFD', replacedCharacters: expect.any(Number) } },
      { text: 'a\uFFFDb', data: { replacedCharacters: 1 } },
      { title: 'not JSON', text: 'not json \uFFFD', data: { unparseable: true, line: 3 } },
    ])
  })

  test('refuses an empty log, and accepts plain text', async () => {
    const empty = ingestSessionLog(pool, ann, { ...ofText(''), id: 'empty' })
    await expect(empty).rejects.toMatchObject({ code: 'invalid' })
    expect(
      await ingestSessionLog(pool, ann, { ...ofText('hello', 'world'), id: 'prose' }),
    ).toMatchObject({
      eventCount: 2,
      unparseable: 2,
    })
    const { rows } = await pool.query(`SELECT format, status FROM sessions WHERE id = 'prose'`)
    expect(rows).toEqual([{ format: 'other', status: 'ready' }])
  })
})

test.each([
  ['other content', ann, 'y'],
  ['another owner', { tenantId: 't1', userId: 'bob' }, 'x'],
])('rejects a taken id with conflict: %s', async (_name, principal, text) => {
  await ingestSessionLog(pool, ann, { ...ofText('x'), id: 'taken' })
  const before = await everyRow()
  await expect(
    ingestSessionLog(pool, principal, { ...ofText(text), id: 'taken' }),
  ).rejects.toMatchObject({ code: 'conflict' })
  expect(await everyRow()).toEqual(before)
})

test('creates a separate session for the same id in another tenant', async () => {
  await ingestSessionLog(pool, ann, { ...ofText('x'), id: 'both' })
  const other = { tenantId: 't2', userId: 'ann' }
  await expect(
    ingestSessionLog(pool, other, { ...ofText('z', 'z'), id: 'both' }),
  ).resolves.toMatchObject({ created: true, eventCount: 2 })
})

test('creates one session from concurrent calls', async () => {
  const results = await Promise.all(
    Array.from({ length: 5 }, () =>
      ingestSessionLog(pool, ann, {
        path: pathOf('skills-0121-aborted-no-newline.jsonl'),
        originalName: 'x',
      }),
    ),
  )
  expect(results.filter(({ created }) => created)).toHaveLength(1)
  expect(new Set(results.map(({ sessionId }) => sessionId)).size).toBe(1)
})

test('writes nothing when reading the log fails', async () => {
  const before = await everyRow()
  const stream = (async function* () {
    yield new TextEncoder().encode('x\n')
    throw new Error('disk gone')
  })()
  await expect(ingestSessionLog(pool, ann, { stream, originalName: 'x' })).rejects.toThrow(
    'disk gone',
  )
  await expect(
    ingestSessionLog(pool, ann, { path: '/nowhere/x.jsonl', originalName: 'x' }),
  ).rejects.toThrow('ENOENT')
  expect(await everyRow()).toEqual(before)
})
