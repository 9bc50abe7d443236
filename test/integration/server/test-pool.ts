import { Pool, type PoolConfig } from 'pg'

/**
 * A pool for looking into a test's database. Dropping the database ends connections that are still
 * closing; that is no failure of the test.
 */
export function createTestPool(connectionString: string, more: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString, ...more })
  pool.on('error', () => {})
  return pool
}
