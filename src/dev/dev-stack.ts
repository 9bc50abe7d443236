import type { SessionDbError } from '../errors.ts'
import { choosePort, readPorts, rememberPort } from './ports.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './postgres/embedded-postgres.ts'
import { refuseProduction } from './refuse-production.ts'
import { createShapeServer } from './shape-server/index.ts'

export type DevStackOptions = {
  /** Directory of all data. Default `.session-db` in the working directory. */
  directory?: string | undefined
  /** TCP port of Postgres. Default: the last run's if free, else any free one. */
  port?: number | undefined
  /** TCP port of the shape server. Default: the last run's if free, else any free one. */
  electricPort?: number | undefined
  /** Name of the database to serve. Default `session_db`. */
  database?: string | undefined
  /** The Postgres superuser's password, for a new data directory. Default: a generated one. */
  password?: string | undefined
  /** Requires this secret on every shape request, like Electric's `ELECTRIC_SECRET`. */
  secret?: string | undefined
  /** Size of one answer of the shape server, in bytes. */
  chunkBytes?: number | undefined
  /** Called with a message for the user before each slow step. */
  log?: ((message: string) => void) | undefined
  /** Called when Postgres ends without `stop()`. The stack is unusable after that. */
  onUnexpectedExit?: ((error: SessionDbError) => void) | undefined
}

export type DevStack = {
  /** Superuser URL of the database: the value for `DATABASE_URL`. */
  readonly databaseUrl: string
  /** Base URL of the shape server, without trailing slash: the value for `ELECTRIC_URL`. */
  readonly electricUrl: string
  /** Real path of the data directory. */
  readonly directory: string
  /** Stops both servers; resolves once they have ended. Can be called more than once. */
  stop(): Promise<void>
}

/**
 * Starts a development stack that needs only npm packages: Postgres, and a shape server that speaks
 * Electric's HTTP protocol. For development and tests only.
 *
 * Both servers listen on 127.0.0.1, keep their ports across restarts if possible, and end with this process.
 *
 * @throws SessionDbError `invalid` when `NODE_ENV` is `production`, `conflict` when another running
 * process uses the directory, `unavailable` when a server cannot start
 *
 * @example
 * const stack = await startDevStack()
 * await migrate({ database: stack.databaseUrl })
 * // … serve the app with stack.databaseUrl and stack.electricUrl …
 * await stack.stop()
 */
export async function startDevStack(options: DevStackOptions = {}): Promise<DevStack> {
  refuseProduction('The embedded stack')
  const postgres = await startEmbeddedPostgres({
    directory: options.directory ?? '.session-db',
    port: options.port,
    database: options.database ?? 'session_db',
    password: options.password,
    log: options.log,
    onUnexpectedExit: options.onUnexpectedExit,
  })
  try {
    const shapes = await startShapeServer(options, postgres)
    let stopping: Promise<void> | undefined
    return {
      databaseUrl: postgres.url,
      electricUrl: shapes.url,
      directory: postgres.directory,
      stop() {
        stopping ??= shapes.close().finally(postgres.stop)
        return stopping
      },
    }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}

async function startShapeServer(
  { secret, chunkBytes, electricPort }: DevStackOptions,
  { url: database, directory }: EmbeddedPostgres,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = await createShapeServer({
    database,
    ...(secret !== undefined && { secret }),
    ...(chunkBytes !== undefined && { chunkBytes }),
  })
  try {
    const { electric: remembered } = await readPorts(directory)
    const port = await choosePort({ fixed: electricPort, remembered })
    const { url } = await server.listen({ port, host: '127.0.0.1' })
    await rememberPort(directory, 'electric', port)
    return { url: url.replace(/\/$/, ''), close: () => server.close() }
  } catch (error) {
    await server.close()
    throw error
  }
}
