import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  migrate,
} from '../../../src/server/index.ts'
import { freshDatabase } from '../../support/database.ts'
import { query } from '../../support/query.ts'
import { serve } from '../../unit/proxy/serve.ts'

/** An app as this library's users write it: shapes and writes behind the app's own sign-in. */
export interface AppServer {
  /** Base URL, without a slash at its end. */
  readonly url: string
  /** Runs SQL behind the app's back. */
  sql(statement: string, values?: unknown[]): Promise<unknown[]>
  close(): Promise<void>
}

/** The header that signs a request in: `tenant/user`. */
export const USER_HEADER = 'x-user'

export async function startAppServer(): Promise<AppServer> {
  const database = await freshDatabase()
  // Replication sends what is flushed; without this that is every 200 ms on the test Postgres.
  await query(
    database.url,
    `DO $$ BEGIN
       EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database());
     END $$`,
  )
  await migrate({ database: database.url })
  const shapeServer = await createShapeServer({ databaseUrl: database.url })
  const { url: electricUrl } = await shapeServer.listen()
  const store = createSessionStore({ database: database.url })
  const serveShape = createShapeProxy({ electricUrl, authenticate })
  const serveWrite = createWriteHandler({ store, authenticate })
  const server = await serve((request) =>
    new URL(request.url).pathname.startsWith('/api/shapes/')
      ? serveShape(request)
      : serveWrite(request),
  )
  return {
    url: server.url,
    sql: (statement, values) => query(database.url, statement, values),
    async close() {
      await server.close()
      await shapeServer.close()
      await store.close()
      await database.drop()
    },
  }
}

function authenticate(request: Request): Principal | null {
  const [tenantId, userId] = request.headers.get(USER_HEADER)?.split('/') ?? []
  return tenantId === undefined || userId === undefined ? null : { tenantId, userId }
}
