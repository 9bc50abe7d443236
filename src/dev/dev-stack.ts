import { SessionDbError } from '../errors.ts'
import { choosePort } from './free-port.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './postgres/index.ts'
import { readPorts, rememberPort } from './remembered-ports.ts'
import { createShapeServer } from './shape-server/index.ts'

export type DevStackOptions = {
  /** Where everything is kept. Default `.session-db` in the working directory. */
  dataDir?: string | undefined
  /** TCP port of Postgres. Default: the one of the last start if free, else any free one. */
  port?: number | undefined
  /** TCP port of the shape server. Default as for `port`. */
  electricPort?: number | undefined
  /** The database that the stack serves. Default `session_db`. */
  database?: string | undefined
  /** The Postgres superuser's password when the data is created. Default: a generated one. */
  password?: string | undefined
  /** Asks every shape request for this secret, as Electric's `ELECTRIC_SECRET` does. */
  secret?: string | undefined
  /** Size at which a shape's log is cut into several answers, in bytes. */
  chunkBytes?: number | undefined
  /** Told what takes a while, in words for people. */
  log?: ((message: string) => void) | undefined
  /** Told when Postgres ends without having been stopped; the stack is of no use after that. */
  onUnexpectedExit?: ((error: SessionDbError) => void) | undefined
}

export type DevStack = {
  /** Superuser url of the database: what to set as `DATABASE_URL`. */
  readonly databaseUrl: string
  /** Base url of the shape server, without a slash at its end: what to set as `ELECTRIC_URL`. */
  readonly electricUrl: string
  /** The data directory as a real path. */
  readonly dataDir: string
  /** Stops both servers; resolves once they are gone. Calling it again is harmless. */
  stop(): Promise<void>
}

/**
 * Starts what production runs as two services, a Postgres and a shape server that speaks Electric's
 * HTTP protocol, with nothing installed but npm packages. For development and tests only.
 *
 * Both listen on 127.0.0.1, keep their ports across restarts where they can, and end with this process.
 *
 * @throws SessionDbError `invalid` when `NODE_ENV` is `production`, `conflict` when another running
 * process uses the data directory, `unavailable` when a server cannot start.
 *
 * @example
 * const stack = await startDevStack()
 * await migrate({ database: stack.databaseUrl })
 * // … serve the app with stack.databaseUrl and stack.electricUrl …
 * await stack.stop()
 */
export async function startDevStack(options: DevStackOptions = {}): Promise<DevStack> {
  refuseProduction()
  const postgres = await startEmbeddedPostgres({
    dataDir: options.dataDir ?? '.session-db',
    port: options.port,
    database: options.database ?? 'session_db',
    password: options.password,
    log: options.log,
    onUnexpectedExit: options.onUnexpectedExit,
  })
  try {
    const shapes = await startShapeServer(options, postgres)
    const { url: databaseUrl, dataDir } = postgres
    const stop = once(() => shapes.close().finally(postgres.stop))
    return { databaseUrl, electricUrl: shapes.url, dataDir, stop }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}

async function startShapeServer(
  { secret, chunkBytes, electricPort }: DevStackOptions,
  { url: databaseUrl, dataDir }: EmbeddedPostgres,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = await createShapeServer({
    databaseUrl,
    ...(secret !== undefined && { secret }),
    ...(chunkBytes !== undefined && { chunkBytes }),
  })
  try {
    const { electric: remembered } = await readPorts(dataDir)
    const port = await choosePort({ fixed: electricPort, remembered })
    const { url } = await server.listen({ port, host: '127.0.0.1' })
    await rememberPort(dataDir, 'electric', port)
    return { url: url.replace(/\/$/, ''), close: () => server.close() }
  } catch (error) {
    await server.close()
    throw error
  }
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= run()
    return running
  }
}

function refuseProduction(): void {
  if (process.env.NODE_ENV !== 'production') return
  throw new SessionDbError(
    'invalid',
    'The embedded stack is for development and tests and does not start with NODE_ENV=production. ' +
      'In production run Postgres and Electric (https://electric.ax) themselves ' +
      'and set DATABASE_URL and ELECTRIC_URL to them.',
  )
}
