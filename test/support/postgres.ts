import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { escapeIdentifier } from 'pg'
import { startEmbeddedPostgres } from '../../src/dev/postgres/embedded-postgres.ts'
import { migrate } from '../../src/server/migrations/migrate.ts'
import { withCluster } from './cluster-template.ts'
import { removal } from './directories.ts'
import { query } from './query.ts'

export type TestPostgres = {
  /** Superuser url of the database `postgres`. */
  url: string
  /** Creates an empty database and returns its superuser url. */
  createDatabase(name?: string): Promise<string>
  /** Stops the server and removes its directory. */
  stop(): Promise<void>
}

/**
 * Fast rather than safe: a test database need not survive a crash of the machine. `synchronous_commit`
 * stays on, because a commit that is flushed later reaches the replication stream later too.
 */
const settings = {
  max_connections: '300',
  fsync: 'off',
  full_page_writes: 'off',
  // Copies a template with one system call per file.
  file_copy_method: 'clone',
}

/** Name of the database that `prepareMigrated` creates. */
export const MIGRATED = 'migrated'

/**
 * Starts a real Postgres in a new directory, for tests that need a whole server. A suite that only
 * needs a database uses `freshDatabase()`.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'session-db-test-'))
  // The server's user has to pass through it.
  await chmod(directory, 0o755)
  const server = await startEmbeddedPostgres({ directory: await withCluster(directory), settings })
  return {
    url: server.url,
    createDatabase: (name = `test_${randomUUID().replaceAll('-', '')}`) =>
      newDatabase(server.url, name),
    stop: async () => {
      await server.stop()
      await rm(directory, removal)
    },
  }
}

/** Creates a database as a copy of another, by default of the server's empty one, and returns its url. */
export async function newDatabase(
  server: string,
  name: string,
  template = 'template1',
): Promise<string> {
  // Copying through the WAL would also be read by all replication streams of other tests.
  await query(
    server,
    `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)} STRATEGY file_copy`,
  )
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/** Creates the database that `migratedDatabase()` copies, which takes a fifth of the time of migrating. */
export async function prepareMigrated(server: string): Promise<void> {
  await migrate({ database: await newDatabase(server, MIGRATED) })
}
