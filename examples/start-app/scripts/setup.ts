import pg from 'pg'
import { AUTH_SCHEMA } from '../src/server/auth-options.ts'
import { migrateUsers } from './seed-users.ts'

// Creates the tables of users and organisations for a deployment, as the owner of the database, and lets the app's
// role use them. `session-db migrate` and `session-db setup-electric` create the library's tables and the roles.

const APP_ROLE = 'session_db_app'
const { DATABASE_URL: databaseUrl, BETTER_AUTH_SECRET: secret } = process.env
if (!databaseUrl || !secret) {
  console.error('Set DATABASE_URL, with the owner of the tables, and BETTER_AUTH_SECRET.')
  process.exit(2)
}
await migrateUsers({ databaseUrl, secret })
const client = new pg.Client({ connectionString: databaseUrl })
await client.connect()
await client.query(`
  GRANT USAGE ON SCHEMA ${AUTH_SCHEMA} TO ${APP_ROLE};
  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${AUTH_SCHEMA} TO ${APP_ROLE}`)
await client.end()
