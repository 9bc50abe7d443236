import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../../src/dev/postgres/index.ts'
import type { SessionDbError } from '../../../src/errors.ts'
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

test('the first start makes a Postgres 18 ready for logical replication, in UTF-8', async () => {
  const messages: string[] = []
  const { url, dataDir } = await start({
    dataDir: await directories.create(),
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
  expect((await stat(join(dataDir, 'postgres', 'password'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(dataDir, 'postgres', 'server.log'))).mode & 0o777).toBe(0o600)
})

test('a restart keeps data, password and port, and creates the database asked for once', async () => {
  const dataDir = await directories.create()
  await rememberLastingPorts(dataDir)
  const first = await start({ dataDir, database: 'an app' })
  await query(first.url, "CREATE TABLE kept AS SELECT 'data' AS value")
  await first.stop()
  const second = await start({ dataDir, database: 'an app' })
  expect(second.url).toBe(first.url)
  expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
})

test('only 127.0.0.1 is listened on and a wrong password is refused', async () => {
  const { url, port } = await start({ dataDir: await directories.create() })
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

test('a directory in use is refused with the pid of its owner', async () => {
  const dataDir = await directories.create()
  const { url } = await start({ dataDir })
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`${dataDir} is in use by this process`),
  })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('of many starts at once exactly one gets the directory', async () => {
  const dataDir = await directories.create()
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => start({ dataDir })))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a taken port is refused when it was asked for and replaced when it was only remembered', async () => {
  const dataDir = await directories.create()
  const first = await start({ dataDir })
  await first.stop()
  const squatter = createServer().listen(first.port, '127.0.0.1')
  try {
    await expect(startEmbeddedPostgres({ dataDir, port: first.port })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`Port ${first.port} of 127.0.0.1 is in use`),
    })
    const second = await start({ dataDir })
    expect(second.port).not.toBe(first.port)
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  } finally {
    squatter.close()
  }
})

test('a bad setting fails with the reason from the log and gives the directory free', async () => {
  const dataDir = await directories.create()
  await expect(
    startEmbeddedPostgres({ dataDir, settings: { shared_buffers: 'plenty' } }),
  ).rejects.toThrow(/did not start[\s\S]*invalid value for parameter "shared_buffers"/)
  await start({ dataDir })
})

test('a data directory of another Postgres version is left alone', async () => {
  const dataDir = await directories.create()
  const first = await start({ dataDir })
  await first.stop()
  const versionFile = join(dataDir, 'postgres', 'data', 'PG_VERSION')
  const { writeFile } = await import('node:fs/promises')
  await writeFile(versionFile, '17\n')
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/made by Postgres 17/)
  expect(await readFile(versionFile, 'utf8')).toBe('17\n')
})

test('the owner hears of it when Postgres ends by itself', async () => {
  const onUnexpectedExit = vi.fn<(error: SessionDbError) => void>()
  const { url } = await start({ dataDir: await directories.create(), onUnexpectedExit })
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
