import { Client } from 'pg'
import {
  createShapeServer,
  type ShapeServer,
  type ShapeServerEvent,
  type ShapeServerOptions,
} from '../../../src/dev/shape-server/index.ts'
import { freshDatabase } from '../../support/database.ts'

/** A separate database with a shape server, and a connection to write with. */
export interface ShapeFixture {
  readonly server: ShapeServer
  /** `http://…/v1/shape` */
  readonly url: string
  readonly databaseUrl: string
  readonly sql: Client
  /** Warnings and errors that the server has reported. */
  readonly trouble: ShapeServerEvent[]
  get(query: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

/** Starts a fixture; `setup` runs before the server. */
export async function startFixture(
  setup: string,
  options: Partial<ShapeServerOptions> = {},
): Promise<ShapeFixture> {
  const database = await freshDatabase()
  const sql = new Client({ connectionString: database.url })
  await sql.connect()
  await sql.query('SET synchronous_commit = on')
  await sql.query(setup)
  const trouble: ShapeServerEvent[] = []
  const server = await createShapeServer({
    database: database.url,
    onEvent: (event) => {
      if (event.level !== 'info') trouble.push(event)
    },
    ...options,
  })
  const { url } = await server.listen()
  return {
    server,
    url: `${url}/v1/shape`,
    databaseUrl: database.url,
    sql,
    trouble,
    get: (query) => fetch(`${url}/v1/shape?${new URLSearchParams(query)}`),
    async close() {
      await server.close()
      await sql.end()
      await database.drop()
    },
  }
}

/** Waits until a condition holds, and fails with what it was waiting for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out waiting until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
