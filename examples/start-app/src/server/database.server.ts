import pg from 'pg'

/** A setting that the server cannot do without. */
export function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set. npm run demo sets it for you.`)
  return value
}

/** The server's connections to Postgres. */
export const pool = new pg.Pool({ connectionString: required('DATABASE_URL') })
// Without a listener, a connection that breaks while idle would end the process.
pool.on('error', (error) => console.error('Postgres connection lost:', error.message))
