import { Pool, type PoolConfig } from 'pg'

/**
 * Creates a pool for reading a test's database. Dropping the database ends connections that are still
 * closing; such errors are ignored.
 */
export function createTestPool(connectionString: string, more: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString, ...more })
  pool.on('error', () => {})
  return pool
}
