import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { choosePort, readPorts, rememberPort } from '../ports.ts'
import { refuseProduction } from '../refuse-production.ts'
import { findPostgresBinaries, type PostgresBinaries } from './binaries.ts'
import { openCluster } from './cluster.ts'
import { openDataDirectory, openServerDirectory } from './data-directory.ts'
import { stopLeftoverServer } from './leftover-server.ts'
import { type Ownership, takeOwnership } from './owner-record.ts'
import type { ServerUser } from './server-user.ts'
import { type SupervisedServer, spawnSupervised } from './supervised-server.ts'

export type EmbeddedPostgresOptions = {
  /** Directory of the data. Created if missing. */
  directory: string
  /** TCP port on 127.0.0.1. Default: the last run's if free, else any free one. */
  port?: number | undefined
  /** The database that `url` names; created if missing. Default `postgres`. */
  database?: string | undefined
  /** The superuser's password, for a new data directory. Default: a generated one. */
  password?: string | undefined
  /** Additional server settings, as in postgresql.conf. */
  settings?: Readonly<Record<string, string>> | undefined
  /** Called with a message for the user before each slow step. */
  log?: ((message: string) => void) | undefined
  /** Called when Postgres ends without `stop()`. */
  onUnexpectedExit?: ((error: SessionDbError) => void) | undefined
}

export type EmbeddedPostgres = {
  /** Superuser URL of the database, with password. */
  readonly url: string
  readonly port: number
  /** Real path of the data directory. */
  readonly directory: string
  /** Path of Postgres's log. */
  readonly logFile: string
  /** Stops Postgres; resolves once it has ended. Can be called more than once. */
  stop(): Promise<void>
}

const DEFAULT_SETTINGS = {
  max_wal_senders: '50',
  max_replication_slots: '50',
  // An abandoned slot must not fill the disk.
  max_slot_wal_keep_size: '2GB',
}
const FIXED_SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/**
 * Starts a real Postgres 18 for development and tests, with its data in a directory.
 *
 * It listens on 127.0.0.1 only, requires a password, and ends when this process ends, even by kill -9.
 * If an earlier run left a server behind in the directory, that one is stopped first.
 *
 * @throws SessionDbError `invalid` when `NODE_ENV` is `production`, `conflict` when another running process
 * uses the directory, `unavailable` when Postgres cannot be found or started
 *
 * @example
 * const postgres = await startEmbeddedPostgres({ directory: '.session-db' })
 * const pool = new Pool({ connectionString: postgres.url })
 * // …
 * await postgres.stop()
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  refuseProduction('The embedded Postgres')
  const directory = await openDataDirectory(options.directory)
  const ownership = await takeOwnership(directory)
  try {
    return await startOwned(options, directory, ownership)
  } catch (error) {
    await ownership.release()
    throw error
  }
}

async function startOwned(
  options: EmbeddedPostgresOptions,
  directory: string,
  ownership: Ownership,
): Promise<EmbeddedPostgres> {
  const { serverDirectory, user } = await openServerDirectory(directory)
  const log = options.log ?? (() => {})
  const binaries = await findPostgresBinaries(user, serverDirectory)
  await stopLeftoverServer({
    dataDirectory: join(serverDirectory, 'data'),
    binaries,
    user,
    supervisor: ownership.leftoverSupervisor,
    log,
  })
  const { password } = await openCluster({
    serverDirectory,
    binaries,
    user,
    password: options.password,
    log,
  })
  const { server, port } = await launchServer({
    binaries,
    user,
    serverDirectory,
    settings: { ...DEFAULT_SETTINGS, ...options.settings, ...FIXED_SETTINGS },
    port: { fixed: options.port, remembered: (await readPorts(directory)).postgres },
    onSpawn: ownership.recordSupervisor,
  })
  try {
    await rememberPort(directory, 'postgres', port)
    const url = await openDatabase(port, password, options.database ?? 'postgres')
    const stop = stopOnce(server, ownership, options.onUnexpectedExit)
    return { url, port, directory, logFile: server.logFile, stop }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Creates a database if it is missing, and returns its URL. */
async function openDatabase(port: number, password: string, database: string): Promise<string> {
  const urlOf = (name: string) =>
    `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(name)}`
  if (database === 'postgres') return urlOf(database)
  const client = new Client({ connectionString: urlOf('postgres') })
  await client.connect()
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`)
    }
  } finally {
    await client.end()
  }
  return urlOf(database)
}

function stopOnce(
  server: SupervisedServer,
  ownership: Ownership,
  onUnexpectedExit: EmbeddedPostgresOptions['onUnexpectedExit'],
): () => Promise<void> {
  let stopped: Promise<void> | undefined
  void server.exited.then(() => {
    if (stopped === undefined) onUnexpectedExit?.(serverFailure('ended', server))
  })
  return () => {
    stopped ??= server.stop().then(ownership.release)
    return stopped
  }
}

const READY_TIMEOUT_MS = 60_000
const MAX_PORT_ATTEMPTS = 3

/**
 * Starts the server of an initialised cluster and waits until it accepts connections. If another process
 * takes a freely chosen port first, it tries the next one.
 *
 * @param options.onSpawn called with the supervisor's pid before Postgres is ready
 * @throws SessionDbError `unavailable` with the end of Postgres's log
 */
async function launchServer(options: {
  binaries: PostgresBinaries
  user: ServerUser
  serverDirectory: string
  settings: Readonly<Record<string, string>>
  port: { fixed: number | undefined; remembered: number | undefined }
  onSpawn: (supervisorPid: number) => Promise<void>
}): Promise<{ server: SupervisedServer; port: number }> {
  const { binaries, user, serverDirectory, settings } = options
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(options.port)
    const server = spawnSupervised({
      binaries,
      user,
      dataDirectory: join(serverDirectory, 'data'),
      logFile: join(serverDirectory, 'server.log'),
      settings: { ...settings, port: String(port) },
    })
    try {
      await options.onSpawn(server.supervisorPid)
      await waitUntilReady(server)
      return { server, port }
    } catch (error) {
      await server.stop()
      const lostPort = server.log().includes('could not bind') && options.port.fixed === undefined
      if (!lostPort || attempt === MAX_PORT_ATTEMPTS) throw error
    }
  }
}

async function waitUntilReady(server: SupervisedServer): Promise<void> {
  let ended = false
  void server.exited.then(() => {
    ended = true
  })
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (!(await server.isReady())) {
    if (ended) throw serverFailure('did not start', server)
    if (Date.now() > deadline) {
      throw serverFailure(`was not ready after ${READY_TIMEOUT_MS / 1000} s`, server)
    }
    await delay(20)
  }
}

function serverFailure(happened: string, server: SupervisedServer): SessionDbError {
  return new SessionDbError(
    'unavailable',
    `Postgres ${happened}. The end of its log (${server.logFile}):\n${server.log()}`,
  )
}
