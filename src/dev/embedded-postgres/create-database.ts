import { SessionDbError } from '../../errors.ts'

/** Creates a database on a Postgres server unless it is there. */
export async function createDatabase(serverUrl: string, name: string): Promise<void> {
  const { Client } = await loadPg()
  const client = new Client({ connectionString: serverUrl })
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`)
  } finally {
    await client.end()
  }
}

async function loadPg(): Promise<typeof import('pg').default> {
  try {
    return (await import('pg')).default
  } catch (cause) {
    throw new SessionDbError('unavailable', 'The package pg is missing. Run: npm install pg', {
      cause,
    })
  }
}
