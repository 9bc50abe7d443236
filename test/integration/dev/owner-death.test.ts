import { chmod, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { findPostgresBinaries } from '../../../src/dev/postgres/binaries.ts'
import { stopLeftoverServer } from '../../../src/dev/postgres/leftover-server.ts'
import { identifyProcess, postgresProcessesOf } from '../../../src/dev/postgres/processes.ts'
import { chooseServerUser } from '../../../src/dev/postgres/server-user.ts'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { ownerProgram, refusalOf, startedUrl } from '../../support/embedded-postgres-owner.ts'
import { eventually } from '../../support/eventually.ts'
import { rememberLastingPorts } from '../../support/lasting-ports.ts'
import { type Program, runProgram } from '../../support/program.ts'
import { isDeep } from '../../support/property.ts'
import { query } from '../../support/query.ts'

const directories = temporaryDirectories()
const running: Program[] = []

function runOwner(directory: string): Program {
  const owner = runProgram(ownerProgram, [directory])
  running.push(owner)
  return owner
}

async function startOwner(directory: string): Promise<{ owner: Program; url: string }> {
  const owner = runOwner(directory)
  return { owner, url: await startedUrl(owner) }
}

async function postmasterOf(directory: string): Promise<number> {
  const file = await readFile(join(directory, 'postgres/data/postmaster.pid'), 'utf8')
  return Number(file.split('\n')[0])
}

async function supervisorOf(directory: string): Promise<number> {
  return JSON.parse(await readFile(join(directory, 'owner.json'), 'utf8')).supervisor.pid
}

/** Kills supervisor and owner, so that nothing stops Postgres; returns its pid. */
async function orphanPostgres(directory: string, owner: Program): Promise<number> {
  process.kill(await supervisorOf(directory), 'SIGKILL')
  owner.kill('SIGKILL')
  await owner.ended
  return await postmasterOf(directory)
}

function postgresGone(directory: string): Promise<void> {
  return eventually(() => expect(postgresProcessesOf(join(directory, 'postgres/data'))).toEqual([]))
}

afterEach(async () => {
  for (const owner of running.splice(0)) {
    owner.kill('SIGKILL')
    await owner.ended
  }
})
afterAll(directories.remove)

/** Inserts one row after the other until the server goes away; returns what was acknowledged. */
async function insertUntilDisconnected(url: string, onRow: (count: number) => void) {
  const { Client } = await import('pg')
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  const acknowledged: number[] = []
  try {
    for (;;) {
      const value = acknowledged.length + 1
      await client.query('INSERT INTO burst VALUES ($1)', [value])
      acknowledged.push(value)
      onRow(value)
    }
  } catch {
    return acknowledged
  }
}

test.each(isDeep ? (['program', 'group'] as const) : (['program'] as const))(
  'kill -9 of the owning %s ends Postgres, and the next start has every acknowledged row',
  async (target) => {
    const directory = await withCluster(await directories.create())
    await rememberLastingPorts(directory)
    const { owner, url } = await startOwner(directory)
    await query(url, 'CREATE TABLE burst (value int PRIMARY KEY)')
    const acknowledged = await insertUntilDisconnected(url, (count) => {
      if (count === 50) owner.kill('SIGKILL', target)
    })
    await postgresGone(directory)
    const next = await startOwner(directory)
    expect(next.url).toBe(url)
    const rows = await query<{ value: number }>(next.url, 'SELECT value FROM burst')
    expect(rows.map(({ value }) => value)).toEqual(expect.arrayContaining(acknowledged))
    expect(acknowledged.length).toBeGreaterThanOrEqual(50)
  },
)

test.each(isDeep ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGTERM'] as const))(
  '%s to the whole group of an owner that handles no signals ends Postgres cleanly',
  async (signal) => {
    const directory = await withCluster(await directories.create())
    const { owner } = await startOwner(directory)
    owner.kill(signal, 'group')
    await postgresGone(directory)
    const log = await readFile(join(directory, 'postgres/server.log'), 'utf8')
    expect(log.trimEnd().split('\n').at(-1)).toContain('database system is shut down')
  },
)

test('waits for the old server when started right after kill -9', async () => {
  const directory = await withCluster(await directories.create())
  const { owner, url } = await startOwner(directory)
  await query(url, "CREATE TABLE kept AS SELECT 'data' AS value")
  for (let round = 0, last = owner; round < 3; round++) {
    last.kill('SIGKILL')
    const next = await startOwner(directory)
    expect(await query(next.url, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
    last = next.owner
  }
})

test('stops an orphan without supervisor on the next start', async () => {
  const directory = await withCluster(await directories.create())
  const { owner, url } = await startOwner(directory)
  await query(url, "CREATE TABLE kept AS SELECT 'data' AS value")
  const orphan = await orphanPostgres(directory, owner)
  expect(identifyProcess(orphan)).toBeDefined()
  const next = await startOwner(directory)
  expect(identifyProcess(orphan)).toBeUndefined()
  expect(await query(next.url, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
})

test('waits for a server that is still running after pg_ctl has returned', async () => {
  const directory = await withCluster(await directories.create())
  const { owner } = await startOwner(directory)
  const orphan = await orphanPostgres(directory, owner)
  const serverDirectory = await realpath(join(directory, 'postgres'))
  const pgCtl = join(await directories.create(), 'pg_ctl')
  await writeFile(pgCtl, `#!/bin/sh\n(sleep 0.5; kill -INT ${orphan}) &\n`)
  await chmod(pgCtl, 0o755)
  const dataDirectory = join(serverDirectory, 'data')
  const user = chooseServerUser(serverDirectory)
  const binaries = { ...(await findPostgresBinaries(user, serverDirectory)), pgCtl }
  const log = vi.fn()
  await stopLeftoverServer({ dataDirectory, binaries, user, supervisor: undefined, log })
  expect(log).toHaveBeenCalledOnce()
  expect(postgresProcessesOf(dataDirectory)).toEqual([])
})

test('ignores the stale pid file of a killed server', async () => {
  const directory = await withCluster(await directories.create())
  const { owner } = await startOwner(directory)
  process.kill(await postmasterOf(directory), 'SIGKILL')
  owner.kill('SIGKILL')
  await owner.ended
  const next = await startOwner(directory)
  expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('removes a pid file whose pid belongs to another program now, and leaves that alone', async () => {
  const directory = await withCluster(await directories.create())
  const { owner } = await startOwner(directory)
  const file = join(directory, 'postgres/data/postmaster.pid')
  const content = await readFile(file, 'utf8')
  owner.kill('SIGKILL')
  await postgresGone(directory)
  const stranger = runOwner(await withCluster(await directories.create()))
  await startedUrl(stranger)
  await writeFile(file, content.replace(/^\d+/, String(stranger.pid)))
  const next = await startOwner(directory)
  expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect(identifyProcess(stranger.pid)).toBeDefined()
})

test('refuses a second owner with the pid of the first, which continues', async () => {
  const directory = await withCluster(await directories.create())
  const { owner, url } = await startOwner(directory)
  const second = runOwner(directory)
  expect(await refusalOf(second)).toEqual({
    name: 'SessionDbError',
    code: 'conflict',
    message: `${directory} is in use by process ${owner.pid}. Stop it, or choose another directory.`,
  })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test.runIf(isDeep)(
  'kill -9 at any moment of the first start leaves a usable directory',
  async () => {
    for (const delayMs of [150, 250, 350, 450, 550]) {
      const directory = await directories.create()
      const owner = runOwner(directory)
      setTimeout(() => owner.kill('SIGKILL', 'group'), delayMs)
      await owner.ended
      const next = await startOwner(directory)
      expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      next.owner.kill('SIGKILL')
    }
  },
)
