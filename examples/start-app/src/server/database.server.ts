import pg from 'pg'

/** Returns a required setting. */
export function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set. npm run demo sets it for you.`)
  return value
}

/** The server's connection pool. */
export const pool = new pg.Pool({ connectionString: required('DATABASE_URL') })
// Without a listener, a broken idle connection would end the process.
pool.on('error', (error) => console.error('Postgres connection lost:', error.message))
