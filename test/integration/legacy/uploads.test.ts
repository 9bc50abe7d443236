import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  exportData,
  exportSessionUploads,
  importExport,
  importSessionUploads,
} from '../../../src/legacy/index.ts'
import { createSessionStore } from '../../../src/server/index.ts'
import { useDatabase } from './legacy-fixture.ts'

const database = useDatabase()
let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'session-db-uploads-'))
})
afterEach(() => rm(dataDir, { recursive: true }))

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
  for await (const { id } of exportSessionUploads(uploads, { dataDir })) expect(id).toMatch(/^u/)
}

const run = (tenantId: string) =>
  importSessionUploads({ database: database.pool, dataDir, tenantId, userId: 'ada' })

test('uploads become sessions with their ids, contents and fields; a second run changes nothing', async () => {
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

test('an export holds the contents, and brings them back', async () => {
  await exportAll()
  await run('source')
  const first = join(dataDir, 'first')
  const second = join(dataDir, 'second')
  await exportData({ database: database.pool, tenantId: 'source', directory: first })
  const report = await importExport({ database: database.pool, tenantId: 'copy', directory: first })
  expect(report).toMatchObject({ ok: true, changed: true })
  await exportData({ database: database.pool, tenantId: 'copy', directory: second })
  const [one, two] = await Promise.all(
    [first, second].map((path) => readFile(join(path, 'sessions.ndjson'), 'utf8')),
  )
  expect(two).toBe(one)
  const sha256 = JSON.parse(one?.split('\n')[0] ?? '').content_sha256
  expect(await readFile(join(second, 'contents', sha256), 'utf8')).toBe(uploads[0]?.content)
  await writeFile(join(first, 'contents', sha256), 'X'.repeat(17))
  const changed = importExport({ database: database.pool, tenantId: 'third', directory: first })
  await expect(changed).rejects.toThrow('was changed since it was exported')
})

test('half an export is refused, and an interrupted one is not there', async () => {
  const half = exportSessionUploads(uploads, { dataDir })
  await half.next()
  await half.return(undefined)
  expect(await run('t3')).toMatchObject({ found: false })
  await exportAll()
  const path = join(dataDir, 'session-uploads.ndjson')
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.slice(0, text.indexOf('\n') + 1))
  await expect(run('t3')).rejects.toThrow('breaks off after 1 lines')
})
