import { randomUUID } from 'node:crypto'
import { createShapeServer } from '../../src/dev/shape-server/index.ts'
import { migrate } from '../../src/server/migrations/migrate.ts'
import { query } from '../support/query.ts'
import { type Relay, startRelay } from './relay.ts'

/** The data and engine behind the proxy under test. */
export interface World {
  readonly relay: Relay
  readonly secret: string
  /** Adds a session of ann in tenant `acme`. */
  addSession(id: string): Promise<void>
  close(): Promise<void>
}

/**
 * Starts an engine on an empty database, with rows of two tenants.
 *
 * @param databaseUrl URL of a Postgres with `wal_level = logical`
 */
export async function startWorld(databaseUrl: string): Promise<World> {
  await migrate({ database: databaseUrl })
  await query(databaseUrl, fill)
  const secret = `secret-${randomUUID()}`
  const engine = await createShapeServer({ database: databaseUrl, secret })
  const { url } = await engine.listen()
  const relay = await startRelay(url)
  return {
    relay,
    secret,
    addSession: async (id) => {
      await query(
        databaseUrl,
        `INSERT INTO sessions (tenant_id, id, owner_id, title) VALUES ('acme', $1, 'ann', $1)`,
        [id],
      )
    },
    async close() {
      await relay.close()
      await engine.close()
    },
  }
}

const fill = `
  CREATE TABLE notes (
    tenant_id text NOT NULL, id text NOT NULL, team text NOT NULL, PRIMARY KEY (tenant_id, id)
  );
  ALTER TABLE notes REPLICA IDENTITY FULL;
  INSERT INTO notes VALUES ('acme', 'n1', 'red'), ('acme', 'n2', 'blue'), ('other', 'n3', 'red');
  INSERT INTO sessions (tenant_id, id, owner_id, title) VALUES
    ('acme', 'first', 'ann', 'first'), ('acme', 'of-bob', 'bob', 'of-bob'),
    ('other', 'of-other', 'ann', 'of-other');
`
