import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { choosePort } from '../../src/dev/ports.ts'
import { chooseServerUser } from '../../src/dev/postgres/server-user.ts'
import { copyTemplate } from './cluster-template.ts'
import { removal } from './directories.ts'
import { query } from './query.ts'

const run = promisify(execFile)
const BIN = '/usr/lib/postgresql/15/bin'

/** True when Debian's Postgres 15 is installed. */
export const hasDebianPostgres = existsSync(join(BIN, 'initdb'))

export interface DebianPostgres {
  /** Superuser url of the database `postgres`. */
  readonly url: string
  readonly dataDir: string
  /** Runs one of this Postgres's programs, or a system program, as the server's user. */
  program(name: string, args: readonly string[]): Promise<{ stdout: string }>
  /** Stops the server immediately, as a crash does. Committed data stays in its data directory. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts Debian's Postgres 15 in a new directory.
 *
 * @param settings configuration on the command line, for example `{ wal_level: 'replica' }`
 * @param parent folder of that directory, by default the system's temporary folder
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
  await copyTemplate('debian-15', dataDir, async (parent) => {
    const template = join(parent, 'data')
    if (user.uid !== undefined) await run('chown', [String(user.uid), parent])
    await program('initdb', ['-D', template, '-U', 'postgres', '-A', 'trust', '-N'])
    return template
  })
  const server = await startDebianServer(dataDir, settings)
  return {
    url: server.url,
    dataDir,
    program,
    kill: () => server.stop('SIGQUIT'),
    async stop() {
      await server.stop()
      await rm(directory, removal)
    },
  }
}

interface DebianServer {
  readonly url: string
  stop(signal?: NodeJS.Signals): Promise<void>
}

const portAttempts = 3

/**
 * Starts the server of an existing data directory, such as a restored one. Retries on another port
 * when the free one was taken meanwhile; rejects with Postgres's output when it cannot start.
 */
export async function startDebianServer(
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<DebianServer> {
  for (let attempt = 1; ; attempt++) {
    const { server, said } = await tryToStart(dataDir, settings)
    if (server !== undefined) return server
    if (!said.includes('could not bind') || attempt === portAttempts) {
      throw new Error(`Postgres in ${dataDir} did not start:\n${said}`)
    }
  }
}

async function tryToStart(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<{ server?: DebianServer; said: string }> {
  const port = await choosePort({})
  const all = { wal_level: 'logical', listen_addresses: '127.0.0.1', fsync: 'off', ...settings }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const args = ['-D', dataDir, '-p', String(port), '-k', dataDir, ...flags]
  const user = chooseServerUser(undefined)
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  const process = spawn(join(BIN, 'postgres'), args, { ...user, cwd: '/', stdio: [...stdio] })
  let said = ''
  process.stderr.on('data', (chunk) => {
    said += chunk
  })
  const ended = once(process, 'close')
  const hasEnded = () => process.exitCode !== null || process.signalCode !== null
  const stop = async (signal: NodeJS.Signals = 'SIGINT') => {
    if (!hasEnded()) process.kill(signal)
    await ended
  }
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  if (await ready(url, hasEnded)) return { server: { url, stop }, said }
  await stop()
  return { said }
}

/** Waits up to a minute until the server answers; false when it does not or has ended. */
async function ready(url: string, hasEnded: () => boolean): Promise<boolean> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    const answers = await query(url, 'SELECT 1').then(
      () => true,
      () => false,
    )
    // Another server may answer on a port that ours did not get.
    if (hasEnded()) return false
    if (answers) return true
  }
  return false
}
