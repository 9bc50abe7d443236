import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type ExportedUpload,
  exportData,
  exportSessionUploads,
  type ImportUploadsOptions,
  importLegacySnapshots,
  importSessionUploads,
  restoreExport,
} from '../../../src/legacy/index.ts'
import { createSessionStore } from '../../../src/server/index.ts'
import { createS3ContentStore } from '../../../src/server/uploads/content/s3-content-store.ts'
import { startS3 } from '../upload/s3-server.ts'
import { useDatabase } from './legacy-fixture.ts'

const database = useDatabase()
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'session-db-uploads-'))
})
afterEach(() => rm(directory, { recursive: true }))

const uploads = [
  {
    id: 'u1',
    originalName: 'a.jsonl',
    content: '{"type":"x"}\nné\n',
    storedAt: '2025-12-01T12:00:00.000Z',
    size: 17,
    source: 'external',
    sourcePath: '/logs/a.jsonl',
    repoLabel: 'me/repo',
    repoMeta: { branch: 'main' },
    lastModifiedMs: 5,
  },
  { id: 'u2', originalName: 'b.jsonl', content: '', storedAt: '2025-12-01T12:00:01.000Z', size: 0 },
]

async function exportAll(): Promise<void> {
  for await (const { id } of exportSessionUploads(uploads, { directory })) expect(id).toMatch(/^u/)
}

const run = (tenantId: string, more: Partial<ImportUploadsOptions> = {}) =>
  importSessionUploads({ database: database.pool, directory, tenantId, userId: 'ada', ...more })

/** Sessions with their timelines, without version and time of change. */
async function sessionsOf(tenantId: string) {
  const { rows } = await database.pool.query(
    `SELECT to_jsonb(s) - '{tenant_id,version,updated_at}'::text[] AS session,
       (SELECT jsonb_agg(e.data ORDER BY seq) FROM timeline_events e
        WHERE e.tenant_id = s.tenant_id AND e.session_id = s.id) AS events
     FROM sessions s WHERE tenant_id = $1 ORDER BY id`,
    [tenantId],
  )
  return rows
}

/** Chats of one of the uploads, and of a session without an upload. */
async function writeChats(): Promise<void> {
  const message = (id: string, sessionId: string) => ({
    ...{ id, sessionId, mode: 'session', role: 'user', content: 'hello' },
    createdAt: '2025-12-02T00:00:00.000Z',
  })
  const records = [message('m1', 'u1'), message('m2', 'nowhere')]
  await writeFile(join(directory, 'chat-messages.json'), JSON.stringify(records))
}

test('imports uploads as sessions with their ids, contents and fields; a second run changes nothing', async () => {
  await exportAll()
  expect(await run('acme')).toMatchObject({ ok: true, inFile: 2, inserted: 2 })
  const { rows } = await database.pool.query(
    `SELECT id, original_name, source, source_path, repo_label, repo, created_at, metadata
     FROM sessions WHERE tenant_id = 'acme' ORDER BY id`,
  )
  expect(rows[0]).toMatchObject({
    id: 'u1',
    source: 'external',
    source_path: '/logs/a.jsonl',
    created_at: new Date('2025-12-01T12:00:00.000Z'),
  })
  const store = createSessionStore({ database: database.pool })
  const { body } = await store.openContent({ tenantId: 'acme', userId: 'ada' }, 'u1')
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toBe(uploads[0]?.content)
  const before = await database.everyRow()
  expect(await run('acme')).toMatchObject({ ok: true, inserted: 0, alreadyThere: 2 })
  expect(await database.everyRow()).toEqual(before)
})

test('exports and restores the contents', async () => {
  await exportAll()
  await run('source')
  const first = join(directory, 'first')
  const second = join(directory, 'second')
  await exportData({ database: database.pool, tenantId: 'source', directory: first })
  const report = await restoreExport({
    database: database.pool,
    tenantId: 'copy',
    directory: first,
  })
  expect(report).toMatchObject({ ok: true, changed: true })
  await exportData({ database: database.pool, tenantId: 'copy', directory: second })
  const [one, two] = await Promise.all(
    [first, second].map((path) => readFile(join(path, 'sessions.ndjson'), 'utf8')),
  )
  expect(two).toBe(one)
  const sha256 = JSON.parse(one?.split('\n')[0] ?? '').content_sha256
  expect(await readFile(join(second, 'contents', sha256), 'utf8')).toBe(uploads[0]?.content)
  await writeFile(join(first, 'contents', sha256), 'X'.repeat(17))
  const changed = restoreExport({ database: database.pool, tenantId: 'third', directory: first })
  await expect(changed).rejects.toThrow('was changed since it was exported')
})

test('an upload fills the stub of its session, with the result of having come first', async () => {
  await exportAll()
  await writeChats()
  const chats = (tenantId: string) =>
    importLegacySnapshots({ database: database.pool, directory, tenantId, userId: 'ada' })
  expect((await chats('late')).stubSessions.map(({ id }) => id).sort()).toEqual(['nowhere', 'u1'])
  expect(await run('late', { dryRun: true })).toMatchObject({ inserted: 1, filled: 1 })
  expect(await run('late')).toMatchObject({ ok: true, inserted: 1, filled: 1, alreadyThere: 0 })
  await run('early')
  await chats('early')
  expect(await sessionsOf('late')).toEqual(await sessionsOf('early'))
  expect(await run('late')).toMatchObject({ ok: true, inserted: 0, filled: 0, alreadyThere: 2 })
})

test('leaves a session that is not a stub alone, and keeps a changed title of a stub', async () => {
  await exportAll()
  await writeChats()
  await importLegacySnapshots({
    database: database.pool,
    directory,
    tenantId: 'named',
    userId: 'ada',
  })
  await database.pool.query(
    `INSERT INTO sessions (tenant_id, id, owner_id, title) VALUES ('named', 'u2', 'bob', 'Live')`,
  )
  await database.pool.query(
    `UPDATE sessions SET title = 'Mine' WHERE tenant_id = 'named' AND id = 'u1'`,
  )
  expect(await run('named')).toMatchObject({
    ok: false,
    filled: 1,
    badRecords: [{ line: 2, id: 'u2', reason: expect.stringContaining('left alone') }],
  })
  const { rows } = await database.pool.query(
    `SELECT id, owner_id, title FROM sessions WHERE tenant_id = 'named' AND id LIKE 'u%' ORDER BY id`,
  )
  expect(rows).toEqual([
    { id: 'u1', owner_id: 'ada', title: 'Mine' },
    { id: 'u2', owner_id: 'bob', title: 'Live' },
  ])
})

test('quarantines bad uploads unchanged; strict fails and writes none', async () => {
  const id = (line: number) => `up\u2028${line}`
  const all = Array.from({ length: 4 }, (_, line) => ({
    ...{ id: id(line), originalName: `${line}.jsonl`, content: `content ${line}` },
    big: 1e300,
  }))
  for await (const _ of exportSessionUploads(all, { directory }));
  const path = join(directory, 'session-uploads.ndjson')
  const lines = (await readFile(path, 'utf8')).split('\n')
  lines[1] = '{"id": "broken'
  lines[2] = '[7]'
  await writeFile(path, lines.join('\n'))
  const { contentSha256 } = JSON.parse(lines[3] ?? '')
  await writeFile(join(directory, 'session-upload-contents', contentSha256), 'CONTENT 3')

  const quarantineFile = join(directory, 'bad.ndjson')
  const before = await database.everyRow()
  await expect(run('q', { strict: true, quarantineFile })).rejects.toThrow(
    'Stopped (strict): session-uploads.ndjson line 2: not a JSON object. Nothing was imported.',
  )
  expect(await run('q', { dryRun: true, quarantineFile })).toMatchObject({ quarantineFile: null })
  expect(await database.everyRow()).toEqual(before)
  expect(await run('q', { quarantineFile })).toMatchObject({
    ok: false,
    inserted: 1,
    quarantineFile,
  })
  const kept = (await readFile(quarantineFile, 'utf8')).trimEnd().split('\n')
  const place = { file: 'session-uploads.ndjson' }
  expect(kept.map((line) => JSON.parse(line))).toEqual([
    { ...place, line: 2, id: null, reason: 'not a JSON object', text: '{"id": "broken' },
    { ...place, line: 3, id: null, reason: 'not a JSON object', record: [7] },
    {
      ...place,
      line: 4,
      id: id(3),
      reason: expect.stringContaining('was changed'),
      record: JSON.parse(lines[3] ?? ''),
    },
  ])
})

test('imports contents into S3, and exports and restores the same bytes', async () => {
  const s3 = await startS3()
  try {
    const contents = createS3ContentStore({ client: s3.client, bucket: s3.bucket })
    await exportAll()
    await run('in-s3', { contents })
    await run('in-pg')
    const refs = await database.pool.query<{ ref: string }>(
      `SELECT content_ref AS ref FROM sessions WHERE tenant_id = 'in-s3'`,
    )
    expect(refs.rows.map(({ ref }) => ref.split(':')[0])).toEqual(['s3', 's3'])
    const left = await database.pool.query(
      `SELECT (SELECT count(*)::int FROM session_content_garbage) AS noted,
         (SELECT count(*)::int FROM session_contents WHERE tenant_id = 'in-s3') AS stored`,
    )
    expect(left.rows).toEqual([{ noted: 0, stored: 0 }])
    const { pool } = database
    const [first, second] = [join(directory, 'first'), join(directory, 'second')]
    const without = exportData({ database: pool, tenantId: 'in-s3', directory: first })
    await expect(without).rejects.toMatchObject({ code: 'unavailable' })
    await exportData({ database: pool, tenantId: 'in-s3', directory: first, contents })
    const restore = (more: object) =>
      restoreExport({ database: pool, tenantId: 'back', directory: first, ...more })
    await expect(restore({})).rejects.toMatchObject({ code: 'unavailable' })
    const planned = await restore({ contents, dryRun: true })
    const sha256 = refs.rows[0]?.ref.slice(3) ?? ''
    expect(await contents.stat({ tenantId: 'back', sha256 })).toBeUndefined()
    expect(await restore({ contents })).toEqual({ ...planned, dryRun: false })
    await exportData({ database: pool, tenantId: 'back', directory: second, contents })
    for (const name of await readdir(first, { recursive: true, withFileTypes: true })) {
      if (!name.isFile() || name.name === 'manifest.json') continue
      const path = join(name.parentPath, name.name)
      const other = await readFile(path.replace(first, second))
      expect(other.equals(await readFile(path)), path).toBe(true)
    }
    expect(await readFile(join(second, 'contents', sha256), 'utf8')).toBe(uploads[0]?.content)
    expect(await restore({ contents })).toMatchObject({ ok: true, changed: false })
  } finally {
    await s3.stop()
  }
})

test('quarantines an upload without content and imports the others', async () => {
  const exported: ExportedUpload[] = []
  const without = { ...uploads[0], id: 'lost', note: 'kept', content: undefined }
  const all = [without, ...uploads, { ...without, id: 'null', content: null }]
  for await (const upload of exportSessionUploads(all as unknown as typeof uploads, {
    directory,
  })) {
    exported.push(upload)
  }
  expect(exported.map(({ id, sha256 }) => [id, sha256 === null])).toEqual([
    ...[
      ['lost', true],
      ['u1', false],
      ['u2', false],
      ['null', true],
    ],
  ])
  const quarantineFile = join(directory, 'quarantine.ndjson')
  const report = await run('without', { quarantineFile })
  const reason = 'content: the old process had none'
  expect(report).toMatchObject({ ok: false, inserted: 2 })
  expect(report.badRecords).toMatchObject([
    { line: 1, id: 'lost', reason },
    { line: 4, id: 'null', reason },
  ])
  expect(await readFile(quarantineFile, 'utf8')).toContain('"note":"kept"')
})

test('names an upload that cannot be written as JSON', async () => {
  const odd = [{ ...uploads[0], id: 'odd', size: 1n }]
  const all = exportSessionUploads(odd as unknown as typeof uploads, { directory })
  await expect(all.next()).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(/^Upload odd cannot be exported: .*BigInt/),
  })
})

test('refuses a truncated export, and ignores an interrupted one', async () => {
  const half = exportSessionUploads(uploads, { directory })
  await half.next()
  await half.return(undefined)
  expect(await run('t3')).toMatchObject({ found: false })
  await exportAll()
  const path = join(directory, 'session-uploads.ndjson')
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.slice(0, text.indexOf('\n') + 1))
  await expect(run('t3')).rejects.toThrow('is truncated after 1 lines')
})
