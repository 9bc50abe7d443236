import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { escapeIdentifier } from 'pg'
import { startEmbeddedPostgres } from '../../src/dev/postgres/embedded-postgres.ts'
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
}

/**
 * Starts a real Postgres in a new directory, for tests that need a whole server. A suite that only
 * needs a database uses `freshDatabase()`.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'session-db-test-'))
  const server = await startEmbeddedPostgres({ directory: directory, settings })
  return {
    url: server.url,
    createDatabase: async (name = `test_${randomUUID().replaceAll('-', '')}`) => {
      await query(server.url, `CREATE DATABASE ${escapeIdentifier(name)}`)
      const url = new URL(server.url)
      url.pathname = `/${name}`
      return url.href
    },
    stop: async () => {
      await server.stop()
      await rm(directory, removal)
    },
  }
}
