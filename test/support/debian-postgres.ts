import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chooseServerUser } from '../../src/dev/embedded-postgres/server-user.ts'
import { choosePort } from '../../src/dev/free-port.ts'
import { query } from './query.ts'

const run = promisify(execFile)
const BIN = '/usr/lib/postgresql/15/bin'

/** Whether Debian's Postgres 15 is installed here. */
export const hasDebianPostgres = existsSync(join(BIN, 'initdb'))

export interface DebianPostgres {
  /** Superuser url of the database `postgres`. */
  readonly url: string
  readonly dataDir: string
  /** Runs one of this Postgres's programs, or of the system's, as the server's own user. */
  program(name: string, args: readonly string[]): Promise<{ stdout: string }>
  /** Ends the server at once, as a crash does; what it had committed is in its data directory. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a Postgres 15 as Debian packages it, in a directory of its own.
 *
 * @param settings configuration on the command line, for example `{ wal_level: 'replica' }`.
 * @param parent where that directory is made; the system's own for such things unless given.
 */
export async function startDebianPostgres(
  settings: Readonly<Record<string, string>> = {},
  parent: string = tmpdir(),
): Promise<DebianPostgres> {
  const user = chooseServerUser(undefined)
  const directory = await mkdtemp(join(parent, 'session-db-test-debian-'))
  if (user.uid !== undefined) await run('chown', [String(user.uid), directory])
  const dataDir = join(directory, 'data')
  const program = (name: string, args: readonly string[]) => {
    const own = join(BIN, name)
    return run(existsSync(own) ? own : name, args, { ...user, cwd: '/' })
  }
  await program('initdb', ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-N'])
  const server = await startDebianServer(dataDir, settings)
  return {
    url: server.url,
    dataDir,
    program,
    kill: () => server.stop('SIGQUIT'),
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    },
  }
}

/** Starts the server of a data directory that is there, such as a restored one. */
export async function startDebianServer(
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ url: string; stop(signal?: NodeJS.Signals): Promise<void> }> {
  const port = await choosePort({})
  const all = { wal_level: 'logical', listen_addresses: '127.0.0.1', fsync: 'off', ...settings }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const args = ['-D', dataDir, '-p', String(port), '-k', dataDir, ...flags]
  const user = chooseServerUser(undefined)
  const server = spawn(join(BIN, 'postgres'), args, { ...user, cwd: '/', stdio: 'ignore' })
  const ended = once(server, 'exit')
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  await ready(url, () => server.exitCode !== null)
  return {
    url,
    async stop(signal = 'SIGINT') {
      if (server.exitCode === null && server.signalCode === null) server.kill(signal)
      await ended
    },
  }
}

async function ready(url: string, hasEnded: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; ) {
    const failure = await query(url, 'SELECT 1').then(
      () => undefined,
      (error: Error) => error,
    )
    if (failure === undefined) return
    if (hasEnded() || Date.now() > deadline) throw failure
  }
}
