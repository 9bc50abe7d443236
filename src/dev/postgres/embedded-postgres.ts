import { join } from 'node:path'
import type { SessionDbError } from '../../errors.ts'
import { readPorts, rememberPort } from '../remembered-ports.ts'
import { findPostgresBinaries } from './binaries.ts'
import { openCluster } from './cluster.ts'
import { createDatabase } from './create-database.ts'
import { openDataDirectory, openServerDirectory } from './data-directory.ts'
import { type LaunchedServer, launchServer, serverFailure } from './launch.ts'
import { stopLeftoverServer } from './leftover-server.ts'
import { type Ownership, takeOwnership } from './owner-record.ts'
import type { SupervisedServer } from './supervised-server.ts'

export type EmbeddedPostgresOptions = {
  /** Where the data stays. Created if missing. */
  dataDir: string
  /** TCP port on 127.0.0.1. Default: the one of the last start if free, else any free one. */
  port?: number | undefined
  /** The database that `url` names; created if missing. Default `postgres`. */
  database?: string | undefined
  /** The superuser's password when the data is created. Default: a generated one. */
  password?: string | undefined
  /** Further server settings, as in postgresql.conf. */
  settings?: Readonly<Record<string, string>> | undefined
  /** Told what takes a while, in words for people. */
  log?: ((message: string) => void) | undefined
  /** Told when Postgres ends without having been stopped. */
  onUnexpectedExit?: ((error: SessionDbError) => void) | undefined
}

export type EmbeddedPostgres = {
  /** Superuser url of the chosen database, password included. */
  readonly url: string
  readonly port: number
  /** The data directory as a real path. */
  readonly dataDir: string
  /** Postgres writes its log here. */
  readonly logFile: string
  /** Stops Postgres; resolves once it is gone. Calling it again is harmless. */
  stop(): Promise<void>
}

const defaultSettings = {
  max_wal_senders: '50',
  max_replication_slots: '50',
  // A slot that nobody reads any more must not fill the disk.
  max_slot_wal_keep_size: '2GB',
}
const fixedSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/**
 * Starts a real Postgres 18, for development and tests, keeping its data in a directory.
 *
 * It listens on 127.0.0.1 only, with a password, and ends with this process however that
 * ends, kill -9 included. A server that an earlier run left over in the directory is stopped first.
 *
 * @throws SessionDbError `conflict` when another running process owns the directory, `unavailable`
 * when Postgres cannot be found or started; the message says what to do.
 *
 * @example
 * const postgres = await startEmbeddedPostgres({ dataDir: '.session-db' })
 * const pool = new Pool({ connectionString: postgres.url })
 * // …
 * await postgres.stop()
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const directory = await openDataDirectory(options.dataDir)
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
  const launched = await launchServer({
    binaries,
    user,
    serverDirectory,
    settings: { ...defaultSettings, ...options.settings, ...fixedSettings },
    port: { fixed: options.port, remembered: (await readPorts(directory)).postgres },
    onSpawn: ownership.nameSupervisor,
  })
  const { server, port } = launched
  try {
    await rememberPort(directory, 'postgres', port)
    const url = await openDatabase(launched, password, options.database ?? 'postgres')
    const stop = stopOnce(server, ownership, options.onUnexpectedExit)
    return { url, port, dataDir: directory, logFile: server.logFile, stop }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function openDatabase(
  { port }: LaunchedServer,
  password: string,
  database: string,
): Promise<string> {
  const urlOf = (name: string) =>
    `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(name)}`
  if (database !== 'postgres') await createDatabase(urlOf('postgres'), database)
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
