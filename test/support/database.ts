import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'
import { MIGRATED, newDatabase } from './postgres.ts'

export type TestDatabase = {
  /** Superuser url of the database. */
  url: string
  /** Removes the database, closing whatever is still connected to it. */
  drop(): Promise<void>
}

/**
 * Creates a database on the Postgres that the test run shares.
 *
 * @param template a database to copy; by default the new one is empty
 * @example
 * const database = await freshDatabase()
 * await database.drop()
 */
export async function freshDatabase(template?: string): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const url = await newDatabase(server, name, template)
  return { url, drop: () => dropDatabase(server, name) }
}

/** Creates a database as `migrate()` leaves it, by copying one that was migrated when the run started. */
export function migratedDatabase(): Promise<TestDatabase> {
  return freshDatabase(MIGRATED)
}

async function dropDatabase(server: string, name: string): Promise<void> {
  const client = new Client({ connectionString: server })
  await client.connect()
  try {
    // A database with a slot cannot be dropped, and a walsender ends some time after its client.
    await client.query(
      `SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
       WHERE database = '${name}' AND active`,
    )
    await client.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
       WHERE database = '${name}' AND NOT active`,
    )
    await connectionsClosed(client, name)
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  } finally {
    await client.end()
  }
}

/**
 * Waits up to ten seconds until all connections are closed. The backends of a pool that has just ended
 * live for a moment; terminating them would reach their clients as unhandled errors.
 */
async function connectionsClosed(client: Client, name: string): Promise<void> {
  const count = 'SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = $1'
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    const { rows } = await client.query<{ open: number }>(count, [name])
    if (rows[0]?.open === 0) return
  }
}
