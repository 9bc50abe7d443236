import type { Pool } from 'pg'
import { SessionDbError } from '../../../errors.ts'
import { ignoreBreak } from '../../with-client.ts'

/**
 * Makes a pool from a connection string. `pg` is loaded with its first use: an app that brings another
 * driver need not have it.
 *
 * @returns of a pool what is used here: `query`, `connect` and `end`. They fail with `unavailable` where
 *   `pg` is not installed.
 */
export function createPool(connectionString: string): Pool {
  let opening: Promise<Pool> | undefined
  const opened = () => {
    opening ??= open(connectionString)
    return opening
  }
  const pool = {
    query: async (...args: Parameters<Pool['query']>) => (await opened()).query(...args),
    connect: async () => (await opened()).connect(),
    async end() {
      const pool = await opening?.catch(() => undefined)
      if (pool && !pool.ending) await pool.end()
    },
  }
  return pool as unknown as Pool
}

async function open(connectionString: string): Promise<Pool> {
  const { Pool } = await import('pg').catch(refuseMissing)
  const pool = new Pool({ connectionString, pipeline: true })
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', ignoreBreak)
  // One that the server ends just as it is handed out has no listener for a moment, the pool's or ours.
  pool.on('connect', (client) => client.on('error', ignoreBreak))
  return pool
}

function refuseMissing(cause: unknown): never {
  throw new SessionDbError(
    'unavailable',
    'A connection string needs the package pg: npm install pg. Or give the sql of postgres.js, or a Kysely instance.',
    { cause },
  )
}
