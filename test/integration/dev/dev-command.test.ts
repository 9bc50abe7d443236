import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { postgresProcessesOf } from '../../../src/dev/postgres/processes.ts'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { eventually } from '../../support/eventually.ts'
import { rememberLastingPorts } from '../../support/lasting-ports.ts'
import { type Program, runProgram } from '../../support/program.ts'
import { isDeep } from '../../support/property.ts'
import { query } from '../../support/query.ts'

const cli = join(import.meta.dirname, '../../../src/cli/main.ts')
const directories = temporaryDirectories()
const running: Program[] = []
const env = { NODE_ENV: 'test', DATABASE_URL: undefined, NO_COLOR: '1' }

function run(...args: string[]): Program {
  const program = runProgram(cli, args, { env })
  running.push(program)
  return program
}

async function readyStack(directory: string, ...args: string[]) {
  const program = run('dev', '--json', '--directory', directory, ...args)
  const line = await program.firstLine
  return { program, ...(JSON.parse(line) as { databaseUrl: string; electricUrl: string }) }
}

function health(electricUrl: string): Promise<number> {
  return fetch(`${electricUrl}/v1/health`).then(({ status }) => status)
}

afterEach(async () => {
  for (const program of running.splice(0)) {
    program.kill('SIGKILL')
    await program.ended
  }
})
afterAll(directories.remove)

test.each(isDeep ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGINT'] as const))(
  'prints exactly one JSON line, serves, and %s stops everything cleanly',
  async (signal) => {
    const directory = await directories.create()
    const { program, databaseUrl, electricUrl } = await readyStack(directory)
    expect(await query(databaseUrl, 'SELECT current_database() AS name')).toEqual([
      { name: 'session_db' },
    ])
    expect(await health(electricUrl)).toBe(200)
    program.kill(signal, 'group')
    expect(await program.ended).toEqual({ code: 0, signal: null })
    expect(program.output.stdout).toBe(
      `${JSON.stringify({ databaseUrl, electricUrl, directory })}\n`,
    )
    expect(program.output.stderr).toBe(
      'session-db: creating the database (first start only)\nsession-db: stopping\n',
    )
    expect(postgresProcessesOf(join(directory, 'postgres/data'))).toEqual([])
    await expect(health(electricUrl)).rejects.toThrow('fetch failed')
    const log = await readFile(join(directory, 'postgres/server.log'), 'utf8')
    expect(log.trimEnd().split('\n').at(-1)).toContain('database system is shut down')
  },
)

test('uses the given database and password', async () => {
  const directory = await directories.create()
  const chosen = ['--database', 'app', '--password', "it's s:cret"]
  const { program, databaseUrl } = await readyStack(directory, ...chosen)
  const url = new URL(databaseUrl)
  expect([url.pathname, decodeURIComponent(url.password)]).toEqual(['/app', "it's s:cret"])
  expect(await query(databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  program.kill('SIGINT')
  await program.ended
  const other = run('dev', '--directory', directory, '--password', 'another')
  expect((await other.ended).code).toBe(1)
  expect(other.output.stderr).toContain('was created with another password')
})

test('cuts pages of shapes at the given size', async () => {
  const directory = await withCluster(await directories.create())
  const { databaseUrl, electricUrl } = await readyStack(directory, '--chunk-bytes', '1000')
  await query(
    databaseUrl,
    "CREATE TABLE notes AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 20) g",
  )
  const sizes: number[] = []
  let position = 'offset=-1'
  for (;;) {
    const page = await fetch(`${electricUrl}/v1/shape?table=notes&${position}`)
    if (page.headers.has('electric-up-to-date')) break
    sizes.push((await page.text()).length)
    const { handle, offset } = {
      handle: page.headers.get('electric-handle'),
      offset: page.headers.get('electric-offset'),
    }
    position = `offset=${offset}&handle=${handle}`
  }
  expect(sizes.length).toBeGreaterThan(3)
  for (const size of sizes.slice(0, -1)) {
    expect(size).toBeGreaterThanOrEqual(1000)
    expect(size).toBeLessThan(1400)
  }
})

test('prints export lines by default, quoted for a shell', async () => {
  const args = ['--directory', await directories.create(), '--password', "it's", '--secret', "it's"]
  const program = run('dev', ...args)
  expect(await program.firstLine).toBe('ready (Ctrl-C stops). In other terminals:')
  await eventually(() => expect(program.output.stdout).toContain('ELECTRIC_SECRET'))
  const names = ['DATABASE_URL', 'ELECTRIC_URL', 'ELECTRIC_SECRET']
  const lines = program.output.stdout.split('\n').slice(1).join('\n')
  const script = `${lines}\n${names.map((name) => `echo "$${name}"`).join('\n')}`
  expect(execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' })).toMatch(
    /^postgresql:\S+:it's@\S+\/session_db\nhttp:\/\/127\.0\.0\.1:\d+\nit's\n$/,
  )
})

test('runs a command with both variables and migrated tables, and exits with its code', async () => {
  const directory = await withCluster(await directories.create())
  const script = `
    const { Client } = require('pg')
    const client = new Client({ connectionString: process.env.DATABASE_URL })
    client.connect().then(() => client.query('SELECT count(*)::int AS n FROM chat.sessions AS own JOIN sessions USING (id)')).then(({ rows }) => {
      console.log(JSON.stringify([rows[0].n, process.env.ELECTRIC_URL, process.env.ELECTRIC_SECRET]))
      process.exit(7)
    })`
  const flags = ['--directory', directory, '--secret', 'right', '--schema', 'chat']
  const program = run('dev', ...flags, '--', process.execPath, '-e', script)
  expect(JSON.parse(await program.firstLine)).toEqual([
    0,
    expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    'right',
  ])
  expect((await program.ended).code).toBe(7)
  expect(postgresProcessesOf(join(directory, 'postgres/data'))).toEqual([])
})

test('passes a signal on to its command, and stops everything after it', async () => {
  const directory = await withCluster(await directories.create())
  const script = `
    process.on('SIGTERM', () => { console.log('stopped'); process.exit(0) })
    setInterval(() => {}, 1000)
    console.log('started')`
  const program = run('dev', '--directory', directory, '--', process.execPath, '-e', script)
  expect(await program.firstLine).toBe('started')
  program.kill('SIGTERM')
  expect((await program.ended).code).toBe(0)
  expect(program.output.stdout).toContain('stopped')
  expect(postgresProcessesOf(join(directory, 'postgres/data'))).toEqual([])
})

test('names a command that does not exist', async () => {
  const program = run(
    'dev',
    '--directory',
    await withCluster(await directories.create()),
    '--',
    'no-such-program',
  )
  expect((await program.ended).code).toBe(1)
  expect(program.output.stderr).toContain('session-db: Cannot run no-such-program')
})

test('kill -9 of its process group ends Postgres; the next start has the same URLs and data', async () => {
  const directory = await withCluster(await directories.create())
  await rememberLastingPorts(directory)
  const first = await readyStack(directory)
  await query(first.databaseUrl, "CREATE TABLE kept AS SELECT 'data' AS value")
  first.program.kill('SIGKILL', 'group')
  await eventually(() => expect(postgresProcessesOf(join(directory, 'postgres/data'))).toEqual([]))
  const next = await readyStack(directory)
  expect(next.databaseUrl).toBe(first.databaseUrl)
  expect(next.electricUrl).toBe(first.electricUrl)
  expect(await query(next.databaseUrl, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
})

test('refuses a directory in use, with the pid of its owner', async () => {
  const directory = await withCluster(await directories.create())
  const { program, electricUrl } = await readyStack(directory)
  const second = run('dev', '--directory', directory)
  expect(await second.ended).toEqual({ code: 1, signal: null })
  expect(second.output).toEqual({
    stdout: '',
    stderr: `session-db: ${directory} is in use by process ${program.pid}. Stop it, or choose another directory.\n`,
  })
  expect(await health(electricUrl)).toBe(200)
})

test('ends with the reason when Postgres ends by itself', async () => {
  const { program, databaseUrl } = await readyStack(await withCluster(await directories.create()))
  const [row] = await query<{ file: string }>(
    databaseUrl,
    "SELECT current_setting('data_directory') || '/postmaster.pid' AS file",
  )
  process.kill(Number((await readFile(row?.file ?? '', 'utf8')).split('\n')[0]), 'SIGQUIT')
  expect(await program.ended).toEqual({ code: 1, signal: null })
  expect(JSON.parse(program.output.stderr.trimEnd().split('\n').at(-1) ?? '')).toEqual({
    error: { code: 'unavailable', message: expect.stringContaining('Postgres ended') },
  })
})

test('applies every migration once when several processes migrate', async () => {
  const { databaseUrl } = await readyStack(await withCluster(await directories.create()))
  const twice = [1, 2].map(() => run('migrate', '--json', '--database-url', databaseUrl))
  for (const program of twice) expect((await program.ended).code).toBe(0)
  const [one, two] = twice.map(({ output }) => JSON.parse(output.stdout))
  expect(new Set([...one.applied, ...two.applied]).size).toBe(
    one.applied.length + two.applied.length,
  )
  // They take turns at single migrations: either one's list may have a gap which the other filled.
  const seenBy = (report: { applied: string[]; alreadyApplied: string[] }) =>
    [...report.alreadyApplied, ...report.applied].sort()
  expect(seenBy(one)).toEqual(seenBy(two))
  const again = run('migrate', '--database-url', databaseUrl)
  expect((await again.ended).code).toBe(0)
  expect(again.output.stdout).toMatch(/^up to date \(\d+ applied before\)\n$/)
})
