import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { createSessionStore, migrate, type SessionStore } from '../../../src/server/index.ts'
import { freshDatabase } from '../../support/database.ts'

/** The backend of an app: a migrated database, its store and the engine. */
export interface Backend {
  readonly databaseUrl: string
  readonly store: SessionStore
  readonly engineUrl: string
  close(): Promise<void>
}

/** Starts a backend on a new database. */
export async function startBackend(): Promise<Backend> {
  const database = await freshDatabase()
  await migrate({ database: database.url })
  const store = createSessionStore({ database: database.url })
  const shapes = await createShapeServer({ database: database.url })
  const { url: engineUrl } = await shapes.listen()
  return {
    databaseUrl: database.url,
    store,
    engineUrl,
    async close() {
      await shapes.close()
      await store.close()
      await database.drop()
    },
  }
}
