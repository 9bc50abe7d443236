import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'
import { query } from '../../support/query.ts'

const root = join(import.meta.dirname, '../../..')
const snapshots = join(root, 'test/fixtures/legacy-data/10db7d7')
const directories = temporaryDirectories()
let database: TestDatabase

beforeEach(async () => {
  database = await migratedDatabase()
})
afterEach(() => database.drop())
afterAll(directories.remove)

async function runImport(data: string, ...args: string[]) {
  const program = runProgram(
    join(root, 'src/cli/main.ts'),
    ['import', '--data', data, '--tenant', 'acme', '--user', 'ada', ...args],
    { env: { DATABASE_URL: database.url, NO_COLOR: '1' }, cwd: await directories.create() },
  )
  const { code } = await program.ended
  return { code, ...program.output }
}

async function messageCount(): Promise<number> {
  const rows = await query<{ count: number }>(
    database.url,
    "SELECT count(*)::int AS count FROM chat_messages WHERE tenant_id = 'acme'",
  )
  return rows[0]?.count ?? -1
}

test('a dry run writes nothing, a run imports, a second run changes nothing', async () => {
  const dryRun = await runImport(snapshots, '--dry-run', '--json')
  expect(dryRun.code).toBe(0)
  expect(await messageCount()).toBe(0)
  const first = await runImport(snapshots, '--json')
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout.trimEnd().split('\n')).toHaveLength(1)
  const report = JSON.parse(first.stdout)
  expect(report).toMatchObject({ ok: true, changed: true })
  expect(report.messages).toEqual(JSON.parse(dryRun.stdout).messages)
  expect(await messageCount()).toBe(report.messages.inserted)
  const second = await runImport(snapshots)
  expect(second.code).toBe(0)
  expect(second.stdout).toContain('Nothing changed: everything was imported before.')
})

test('creates sessions with the given visibility', async () => {
  await runImport(snapshots, '--visibility', 'tenant')
  expect(await query(database.url, 'SELECT DISTINCT visibility FROM sessions')).toEqual([
    { visibility: 'tenant' },
  ])
})

test('--fixed-session gives a session id of the app to the user or the tenant', async () => {
  const { code } = await runImport(snapshots, '--fixed-session', 'session-default=user')
  expect(code).toBe(0)
  const [session] = await query<{ id: string }>(
    database.url,
    "SELECT id FROM sessions WHERE title = 'Default session'",
  )
  expect(session?.id).toMatch(/^session-default-[0-9a-f]{16}$/)
  const refused = await runImport(snapshots, '--fixed-session', 'session-default')
  expect(refused).toMatchObject({ code: 2, stdout: '' })
  expect(refused.stderr).toContain('Write the id and its scope, such as session-default=user.')
})

test('exits with 1 and the report on stdout when a record could not be imported', async () => {
  const data = await directories.create()
  await cp(snapshots, data, { recursive: true })
  const file = join(data, 'chat-messages.json')
  const records = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify([...records, 'no record']))
  const { code, stdout } = await runImport(data)
  expect(code).toBe(1)
  expect(stdout).toContain(`chat-messages.json[${records.length}]`)
  expect(stdout).toContain('Saved in session-db-quarantine.ndjson')
})

test('--strict stops at such a record and writes nothing', async () => {
  const data = await directories.create()
  await cp(snapshots, data, { recursive: true })
  const file = join(data, 'chat-messages.json')
  const records = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify([...records, 'no record']))
  const { code, stderr } = await runImport(data, '--strict')
  expect(code).toBe(1)
  expect(stderr).toContain(`Stopped (strict): chat-messages.json[${records.length}]`)
  expect(await messageCount()).toBe(0)
})

test('recognises an export by its manifest, without a user', async () => {
  await runImport(snapshots)
  const out = join(await directories.create(), 'export')
  const env = { DATABASE_URL: database.url, NO_COLOR: '1' }
  const cli = join(root, 'src/cli/main.ts')
  const exported = runProgram(cli, ['export', '--tenant', 'acme', '--out', out], { env })
  expect(await exported.ended).toMatchObject({ code: 0 })
  expect(exported.output.stdout).toContain('chat-messages.ndjson')
  const imported = runProgram(cli, ['import', '--data', out, '--tenant', 'other', '--json'], {
    env,
  })
  expect(await imported.ended).toMatchObject({ code: 0 })
  expect(JSON.parse(imported.output.stdout)).toMatchObject({ ok: true, changed: true })
})

test('exits with 1 for a directory without snapshots', async () => {
  const data = await directories.create()
  const { code, stderr, stdout } = await runImport(data)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(`session-db: ${data} has nothing to import`)
})

test('exits with 1 for a missing directory, and for a file', async () => {
  const data = await directories.create()
  const missing = join(data, 'dta')
  const { code, stderr } = await runImport(missing)
  expect([code, stderr]).toEqual([1, expect.stringContaining(`There is no directory ${missing}.`)])
  const file = join(data, 'chat-threads.json')
  await writeFile(file, '[]')
  expect((await runImport(file)).stderr).toContain(`${file} is not a directory.`)
})

test('exits with 1 and writes nothing for a file that is not JSON, with file and position', async () => {
  const data = await directories.create()
  await cp(snapshots, data, { recursive: true })
  await writeFile(join(data, 'chat-messages.json'), '[{"id": ')
  const { code, stderr } = await runImport(data, '--json')
  expect(code).toBe(1)
  const { error } = JSON.parse(stderr)
  expect(error.code).toBe('invalid')
  expect(error.message).toContain('chat-messages.json')
  expect(await messageCount()).toBe(0)
})
