import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, onTestFinished, test, vi } from 'vitest'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../../src/dev/postgres/embedded-postgres.ts'
import type { SessionDbError } from '../../../src/errors.ts'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { eventually } from '../../support/eventually.ts'
import { rememberLastingPorts } from '../../support/lasting-ports.ts'
import { query } from '../../support/query.ts'

const directories = temporaryDirectories()
const started: EmbeddedPostgres[] = []

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres(options)
  started.push(postgres)
  return postgres
}

afterEach(async () => {
  for (const postgres of started.splice(0)) await postgres.stop()
})
afterAll(directories.remove)

test('creates a Postgres 18 with logical replication and UTF-8 on the first start', async () => {
  const messages: string[] = []
  const { url, directory } = await start({
    directory: await directories.create(),
    log: (message) => messages.push(message),
  })
  const [settings] = await query(
    url,
    `SELECT current_setting('server_version') AS version, current_setting('wal_level') AS wal,
       current_setting('server_encoding') AS encoding, current_setting('listen_addresses') AS listen,
       current_setting('fsync') AS fsync`,
  )
  expect(settings).toEqual({
    version: '18.4',
    wal: 'logical',
    encoding: 'UTF8',
    listen: '127.0.0.1',
    fsync: 'on',
  })
  expect(messages).toEqual(['creating the database (first start only)'])
  expect((await stat(join(directory, 'postgres', 'password'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(directory, 'postgres', 'server.log'))).mode & 0o777).toBe(0o600)
})

test('keeps data, password and port across a restart, and creates the database once', async () => {
  const directory = await withCluster(await directories.create())
  await rememberLastingPorts(directory)
  const first = await start({ directory, database: 'an app' })
  await query(first.url, "CREATE TABLE kept AS SELECT 'data' AS value")
  await first.stop()
  const second = await start({ directory, database: 'an app' })
  expect(second.url).toBe(first.url)
  expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
})

test('listens on 127.0.0.1 only and rejects a wrong password', async () => {
  const { url, port } = await start({ directory: await withCluster(await directories.create()) })
  const wrong = new URL(url)
  wrong.password = 'wrong'
  await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed')
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)
  if (outside === undefined) return
  await expect(
    query(`postgresql://postgres@${outside.address}:${port}/postgres`, 'SELECT 1'),
  ).rejects.toThrow('ECONNREFUSED')
})

test('refuses a directory in use, with the pid of its owner', async () => {
  const directory = await withCluster(await directories.create())
  const { url } = await start({ directory })
  await expect(startEmbeddedPostgres({ directory })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`${directory} is in use by this process`),
  })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('gives the directory to exactly one of many concurrent starts', async () => {
  const directory = await directories.create()
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => start({ directory })))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('refuses a taken port that was asked for, and replaces one that was remembered', async () => {
  const directory = await withCluster(await directories.create())
  const first = await start({ directory })
  await first.stop()
  const squatter = createServer().listen(first.port, '127.0.0.1')
  try {
    await expect(startEmbeddedPostgres({ directory, port: first.port })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`Port ${first.port} of 127.0.0.1 is in use`),
    })
    const second = await start({ directory })
    expect(second.port).not.toBe(first.port)
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  } finally {
    squatter.close()
  }
})

test('fails with the reason from the log for a bad setting, and releases the directory', async () => {
  const directory = await withCluster(await directories.create())
  await expect(
    startEmbeddedPostgres({ directory, settings: { shared_buffers: 'plenty' } }),
  ).rejects.toThrow(/did not start[\s\S]*invalid value for parameter "shared_buffers"/)
  await start({ directory })
})

test('leaves a data directory of another Postgres version alone', async () => {
  const directory = await withCluster(await directories.create())
  const first = await start({ directory })
  await first.stop()
  const versionFile = join(directory, 'postgres', 'data', 'PG_VERSION')
  await writeFile(versionFile, '17\n')
  await expect(startEmbeddedPostgres({ directory })).rejects.toThrow(/created by Postgres 17/)
  expect(await readFile(versionFile, 'utf8')).toBe('17\n')
})

test('calls onUnexpectedExit when Postgres ends by itself', async () => {
  const onUnexpectedExit = vi.fn<(error: SessionDbError) => void>()
  const { url } = await start({
    directory: await withCluster(await directories.create()),
    onUnexpectedExit,
  })
  const [row] = await query<{ data: string }>(
    url,
    "SELECT current_setting('data_directory') AS data",
  )
  const pid = Number(
    (await readFile(join(row?.data ?? '', 'postmaster.pid'), 'utf8')).split('\n')[0],
  )
  process.kill(pid, 'SIGQUIT')
  await eventually(() => expect(onUnexpectedExit).toHaveBeenCalledOnce())
  expect(onUnexpectedExit.mock.calls[0]?.[0].message).toContain('immediate shutdown request')
})

test('refuses NODE_ENV=production before touching the directory, and says what to run instead', async () => {
  vi.stubEnv('NODE_ENV', 'production')
  onTestFinished(() => void vi.unstubAllEnvs())
  const directory = await directories.create()
  await expect(startEmbeddedPostgres({ directory })).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('DATABASE_URL'),
  })
  expect(await readdir(directory)).toEqual([])
})
