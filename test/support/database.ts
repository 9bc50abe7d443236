import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { query } from './query.ts'

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
 * await migrate({ database: database.url })
 * await database.drop()
 */
export async function freshDatabase(template?: string): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await query(server, `CREATE DATABASE ${name}${template ? ` TEMPLATE ${template}` : ''}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => dropDatabase(server, name) }
}

async function dropDatabase(server: string, name: string): Promise<void> {
  // A database with a slot cannot be dropped, and a walsender ends some time after its client.
  await query(
    server,
    `SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
     WHERE database = '${name}' AND active`,
  )
  await query(
    server,
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
     WHERE database = '${name}' AND NOT active`,
  )
  await connectionsClosed(server, name)
  await query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
}

/**
 * Waits up to ten seconds until all connections are closed. The backends of a pool that has just ended
 * live for a moment; terminating them would reach their clients as unhandled errors.
 */
async function connectionsClosed(server: string, name: string): Promise<void> {
  const count = `SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = $1`
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    const [row] = await query<{ open: number }>(server, count, [name])
    if (row?.open === 0) return
  }
}
