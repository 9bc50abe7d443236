import { createSessionStore, migrate, type SessionStore } from '../../../src/server/index.ts'
import { startEngine, withoutSecret } from '../../support/engine.ts'

/** The backend of an app: a migrated database, its store and the engine. */
export interface Backend {
  readonly databaseUrl: string
  readonly store: SessionStore
  readonly engineUrl: string
  close(): Promise<void>
}

/** Starts a backend on a new database, or on the engine of `npm run test:electric`. */
export async function startBackend(): Promise<Backend> {
  const { databaseUrl, electricUrl: engineUrl, close } = await withoutSecret(await startEngine())
  await migrate({ database: databaseUrl })
  const store = createSessionStore({ database: databaseUrl })
  return {
    databaseUrl,
    store,
    engineUrl,
    async close() {
      await store.close()
      await close()
    },
  }
}
