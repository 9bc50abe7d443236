import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../errors.ts'

/**
 * Runs `work` on one connection: of the pool, or one made from a connection string for just this.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export async function withClient<T>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  if (typeof database !== 'string') {
    const client = await database.connect().catch(refuseUnreachable)
    client.on('error', ignoreBreak)
    try {
      return await work(client)
    } finally {
      client.off('error', ignoreBreak)
      client.release()
    }
  }
  const { Client } = await import('pg')
  const client = new Client({ connectionString: database })
  client.on('error', ignoreBreak)
  await client.connect().catch(refuseUnreachable)
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** A connection that breaks between two queries would end the process. The next query fails instead. */
export function ignoreBreak(): void {}

function refuseUnreachable(cause: unknown): never {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
  throw new SessionDbError(
    'unavailable',
    `Cannot connect to the database (${reason}). Check its URL, and that it runs.`,
    { cause },
  )
}
