import { chmod, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { findPostgresBinaries } from '../../../src/dev/postgres/binaries.ts'
import { stopLeftoverServer } from '../../../src/dev/postgres/leftover-server.ts'
import { identifyProcess, postgresProcessesOf } from '../../../src/dev/postgres/process-identity.ts'
import { chooseServerUser } from '../../../src/dev/postgres/server-user.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { ownerProgram, refusalOf, startedUrl } from '../../support/embedded-postgres-owner.ts'
import { eventually } from '../../support/eventually.ts'
import { rememberLastingPorts } from '../../support/lasting-ports.ts'
import { type Program, runProgram } from '../../support/program.ts'
import { query } from '../../support/query.ts'

const directories = temporaryDirectories()
const running: Program[] = []

function runOwner(dataDir: string): Program {
  const owner = runProgram(ownerProgram, [dataDir])
  running.push(owner)
  return owner
}

async function startOwner(dataDir: string): Promise<{ owner: Program; url: string }> {
  const owner = runOwner(dataDir)
  return { owner, url: await startedUrl(owner) }
}

async function postmasterOf(dataDir: string): Promise<number> {
  const file = await readFile(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8')
  return Number(file.split('\n')[0])
}

async function supervisorOf(dataDir: string): Promise<number> {
  return JSON.parse(await readFile(join(dataDir, 'owner.json'), 'utf8')).supervisor.pid
}

/** Ends owner and supervisor at once, so that nothing ends Postgres; returns its pid. */
async function orphanPostgres(dataDir: string, owner: Program): Promise<number> {
  process.kill(await supervisorOf(dataDir), 'SIGKILL')
  owner.kill('SIGKILL')
  await owner.ended
  return await postmasterOf(dataDir)
}

function postgresGone(dataDir: string): Promise<void> {
  return eventually(() => expect(postgresProcessesOf(join(dataDir, 'postgres/data'))).toEqual([]))
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

test.each(['program', 'group'] as const)(
  'kill -9 of the owning %s ends Postgres, and the next start has every acknowledged row',
  async (target) => {
    const dataDir = await directories.create()
    await rememberLastingPorts(dataDir)
    const { owner, url } = await startOwner(dataDir)
    await query(url, 'CREATE TABLE burst (value int PRIMARY KEY)')
    const acknowledged = await insertUntilDisconnected(url, (count) => {
      if (count === 50) owner.kill('SIGKILL', target)
    })
    await postgresGone(dataDir)
    const next = await startOwner(dataDir)
    expect(next.url).toBe(url)
    const rows = await query<{ value: number }>(next.url, 'SELECT value FROM burst')
    expect(rows.map(({ value }) => value)).toEqual(expect.arrayContaining(acknowledged))
    expect(acknowledged.length).toBeGreaterThanOrEqual(50)
  },
)

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s to the whole group of an owner that handles no signals ends Postgres cleanly',
  async (signal) => {
    const dataDir = await directories.create()
    const { owner } = await startOwner(dataDir)
    owner.kill(signal, 'group')
    await postgresGone(dataDir)
    const log = await readFile(join(dataDir, 'postgres/server.log'), 'utf8')
    expect(log.trimEnd().split('\n').at(-1)).toContain('database system is shut down')
  },
)

test('a start right after kill -9 waits for the old server instead of failing', async () => {
  const dataDir = await directories.create()
  const { owner, url } = await startOwner(dataDir)
  await query(url, "CREATE TABLE kept AS SELECT 'data' AS value")
  for (let round = 0, last = owner; round < 3; round++) {
    last.kill('SIGKILL')
    const next = await startOwner(dataDir)
    expect(await query(next.url, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
    last = next.owner
  }
})

test('an orphan that lost its supervisor too is stopped by the next start', async () => {
  const dataDir = await directories.create()
  const { owner, url } = await startOwner(dataDir)
  await query(url, "CREATE TABLE kept AS SELECT 'data' AS value")
  const orphan = await orphanPostgres(dataDir, owner)
  expect(identifyProcess(orphan)).toBeDefined()
  const next = await startOwner(dataDir)
  expect(identifyProcess(orphan)).toBeUndefined()
  expect(await query(next.url, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
})

test('a server that goes on after pg_ctl has returned is waited for', async () => {
  const dataDir = await directories.create()
  const { owner } = await startOwner(dataDir)
  const orphan = await orphanPostgres(dataDir, owner)
  const serverDirectory = await realpath(join(dataDir, 'postgres'))
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

test('a server killed outright leaves a stale pid file that the next start goes past', async () => {
  const dataDir = await directories.create()
  const { owner } = await startOwner(dataDir)
  process.kill(await postmasterOf(dataDir), 'SIGKILL')
  owner.kill('SIGKILL')
  await owner.ended
  const next = await startOwner(dataDir)
  expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('a pid file whose pid now belongs to a stranger is removed and the stranger left alone', async () => {
  const dataDir = await directories.create()
  const { owner } = await startOwner(dataDir)
  const file = join(dataDir, 'postgres/data/postmaster.pid')
  const content = await readFile(file, 'utf8')
  owner.kill('SIGKILL')
  await postgresGone(dataDir)
  const stranger = runOwner(await directories.create())
  await startedUrl(stranger)
  await writeFile(file, content.replace(/^\d+/, String(stranger.pid)))
  const next = await startOwner(dataDir)
  expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect(identifyProcess(stranger.pid)).toBeDefined()
})

test('a second owner is told the pid of the first, which goes on', async () => {
  const dataDir = await directories.create()
  const { owner, url } = await startOwner(dataDir)
  const second = runOwner(dataDir)
  expect(await refusalOf(second)).toEqual({
    name: 'SessionDbError',
    code: 'conflict',
    message: `${dataDir} is in use by process ${owner.pid}. Stop it, or choose another data directory.`,
  })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('kill -9 at any moment of the first start leaves a directory the next start can use', async () => {
  for (const delayMs of [150, 250, 350, 450, 550]) {
    const dataDir = await directories.create()
    const owner = runOwner(dataDir)
    setTimeout(() => owner.kill('SIGKILL', 'group'), delayMs)
    await owner.ended
    const next = await startOwner(dataDir)
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    next.owner.kill('SIGKILL')
  }
})
