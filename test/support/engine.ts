import { createShapeServer, type ShapeServerOptions } from '../../src/dev/shape-server/index.ts'
import { serve } from '../unit/proxy/serve.ts'
import { freshDatabase } from './database.ts'
import { emptyDatabase, givenEngine } from './given-engine.ts'

/** A Postgres with an engine that replicates it. */
export interface Engine {
  readonly databaseUrl: string
  /** Base URL of the engine, without a slash at its end. */
  readonly electricUrl: string
  readonly secret: string | undefined
  close(): Promise<void>
}

/**
 * Starts our shape server on a new database, or returns the engine of `npm run test:electric` with all tables empty,
 * also after the test.
 *
 * @param options for our shape server. A given engine has its own.
 */
export async function startEngine(
  options: Omit<Partial<ShapeServerOptions>, 'database' | 'secret'> & {
    readonly secret?: string
  } = {},
): Promise<Engine> {
  const given = givenEngine()
  if (given !== undefined) {
    await emptyDatabase(given)
    return { ...given, close: () => emptyDatabase(given) }
  }
  const database = await freshDatabase()
  return startShapeServer(database.url, database.drop, options)
}

/** Starts our shape server on a database; `drop` runs after it has closed. */
export async function startShapeServer(
  databaseUrl: string,
  drop: () => Promise<void> = async () => {},
  options: Parameters<typeof startEngine>[0] = {},
): Promise<Engine> {
  const server = await createShapeServer({ database: databaseUrl, ...options })
  const { url } = await server.listen()
  return {
    databaseUrl,
    electricUrl: url.replace(/\/$/, ''),
    secret: options.secret,
    async close() {
      await server.close()
      await drop()
    },
  }
}

/** Returns the engine at an address that needs no secret, for guides that are tested word for word and show none. */
export async function withoutSecret(engine: Engine): Promise<Engine> {
  const { electricUrl, secret } = engine
  if (!secret) return engine
  const way = await serve(async ({ url, method, headers, body, signal }) => {
    const { pathname, search } = new URL(url)
    const target = new URL(`${electricUrl}${pathname}${search}`)
    target.searchParams.set('secret', secret)
    headers.delete('host')
    const sent = { method, headers, body, signal, duplex: 'half' }
    const response = await fetch(target, sent as RequestInit).catch(() => undefined)
    if (response === undefined) return new Response(null, { status: 502 })
    const received = new Headers(response.headers)
    // The body is decompressed already.
    for (const name of ['content-encoding', 'content-length']) received.delete(name)
    return new Response(response.body, { status: response.status, headers: received })
  })
  return {
    ...engine,
    electricUrl: way.url,
    secret: undefined,
    async close() {
      await way.close()
      await engine.close()
    },
  }
}
