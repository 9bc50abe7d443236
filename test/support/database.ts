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
 * Creates an empty database on the Postgres that the test run shares.
 *
 * @example
 * const database = await freshDatabase()
 * await migrate({ database: database.url })
 * await database.drop()
 */
export async function freshDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await query(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => dropDatabase(server, name) }
}

async function dropDatabase(server: string, name: string): Promise<void> {
  // A slot keeps its database from being dropped, and a walsender ends only some time after its client.
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
  await query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
}
