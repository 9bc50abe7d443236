import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportSessionUploads } from '../../../src/legacy/index.ts'
import { createS3ContentStore } from '../../../src/server/uploads/content/s3-content-store.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'
import { query } from '../../support/query.ts'
import { type S3Server, startS3 } from '../upload/s3-server.ts'

const cli = join(import.meta.dirname, '../../../src/cli/main.ts')
const content = '{"type":"x"}\nné\n'
const directories = temporaryDirectories()
let database: TestDatabase
let s3: S3Server

beforeAll(async () => {
  s3 = await startS3()
  database = await migratedDatabase()
})
afterAll(async () => {
  await s3.stop()
  await database.drop()
  await directories.remove()
})

/** Runs a command with credentials where the AWS SDK looks for them. */
async function run(command: string, ...args: string[]) {
  const program = runProgram(cli, [command, ...args], {
    env: {
      DATABASE_URL: database.url,
      ...{ AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', AWS_REGION: 'us-east-1' },
    },
    cwd: await directories.create(),
  })
  const { code } = await program.ended
  return { code, ...program.output }
}

async function bucketFlags(...more: string[]): Promise<string[]> {
  const { protocol, hostname, port = 80 } = (await s3.client.config.endpoint?.()) ?? {}
  const endpoint = `${protocol}//${hostname}:${port}`
  return ['--s3-bucket', s3.bucket, '--s3-endpoint', endpoint, ...more]
}

/** Whether the bucket has the content of a tenant under this prefix. */
async function isThere(tenantId: string, sha256: string, prefix?: string): Promise<boolean> {
  const { client, bucket } = s3
  const store = createS3ContentStore({ client, bucket, ...(prefix !== undefined && { prefix }) })
  return (await store.stat({ tenantId, sha256 })) !== undefined
}

async function refsOf(tenant: string): Promise<unknown[]> {
  const sql = `SELECT content_ref AS ref FROM sessions WHERE tenant_id = '${tenant}'`
  return (await query(database.url, sql)).map(({ ref }) => ref)
}

test('stores uploads in the bucket, exports them, and imports them again', async () => {
  const data = await directories.create()
  const uploads = [{ id: 'u1', originalName: 'a.jsonl', content }]
  for await (const _ of exportSessionUploads(uploads, { directory: data }));
  const flags = await bucketFlags('--s3-prefix', 'mine/')

  const files = ['--data', data, '--tenant', 'acme', '--user', 'ada', '--json']
  expect(await run('import', ...files, ...flags)).toMatchObject({ code: 0, stderr: '' })
  const [ref] = await refsOf('acme')
  const sha256 = String(ref).replace(/^s3:/, '')
  expect(ref).toMatch(/^s3:[0-9a-f]{64}$/)
  expect(await isThere('acme', sha256, 'mine/')).toBe(true)
  expect(await isThere('acme', sha256)).toBe(false)
  expect(await query(database.url, 'SELECT FROM session_contents')).toEqual([])

  const out = join(await directories.create(), 'export')
  const exporting = ['export', '--tenant', 'acme', '--out', out, '--json'] as const
  const without = await run(...exporting)
  expect(without.code).toBe(1)
  expect(without.stderr).toContain('--s3-bucket')
  expect(await run(...exporting, ...flags)).toMatchObject({ code: 0, stderr: '' })
  expect(await readFile(join(out, 'contents', sha256), 'utf8')).toBe(content)

  const restoring = ['import', '--data', out, '--tenant', 'copy', '--json'] as const
  expect((await run(...restoring)).code).toBe(1)
  expect(await refsOf('copy')).toEqual([])
  expect(await run(...restoring, ...(await bucketFlags()))).toMatchObject({ code: 0, stderr: '' })
  expect(await refsOf('copy')).toEqual([ref])
  expect(await isThere('copy', sha256)).toBe(true)
})
