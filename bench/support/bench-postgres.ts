import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { startEmbeddedPostgres } from '../../src/dev/postgres/embedded-postgres.ts'

/** A separate Postgres for one benchmark. */
export interface BenchPostgres {
  readonly url: string
  /** Opens a connection that is closed with the server. */
  connect(): Promise<Client>
}

/**
 * Runs `work` with a fresh Postgres as `session-db dev` starts it: commits are flushed to disk.
 *
 * @param settings further server settings.
 * @example
 * await withPostgres(async (postgres) => (await postgres.connect()).query('SELECT 1'))
 */
export async function withPostgres<T>(
  work: (postgres: BenchPostgres) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'session-db-bench-'))
  const server = await startEmbeddedPostgres({ directory: directory, settings })
  const clients: Client[] = []
  try {
    return await work({
      url: server.url,
      async connect() {
        const client = new Client({ connectionString: server.url })
        await client.connect()
        clients.push(client)
        return client
      },
    })
  } finally {
    await Promise.all(clients.map((client) => client.end()))
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
}
