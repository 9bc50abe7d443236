import { betterAuth } from 'better-auth'
import { organization } from 'better-auth/plugins'
import pg from 'pg'

// Of no use in the browser, and loaded by the demo's scripts, too: so nothing of Start in here.

/** A schema of its own in the app's Postgres: better-auth names its tables without a schema. */
export const AUTH_SCHEMA = 'auth'

interface AuthSettings {
  readonly databaseUrl: string
  /** Signs the cookies; the same in all instances. */
  readonly secret: string
  /** The app's address, `https://app.example`; any port of this machine unless given. */
  readonly url?: string | undefined
}

/**
 * Users, their passwords and sessions, and organisations, which are the tenants of this app. Sign-in
 * with Google and others, e-mails and two factors are options of better-auth.
 */
export function createAuth({ databaseUrl, secret, url }: AuthSettings) {
  const database = new pg.Pool({
    connectionString: databaseUrl,
    options: `-c search_path=${AUTH_SCHEMA}`,
    max: 5,
  })
  database.on('error', (error) => console.error('Postgres connection lost:', error.message))
  const auth = betterAuth({
    database,
    secret,
    baseURL: url ?? { allowedHosts: ['localhost:*', '127.0.0.1:*'], fallback: 'http://localhost' },
    emailAndPassword: { enabled: true },
    session: { expiresIn: 7 * DAY_SECONDS, updateAge: DAY_SECONDS },
    // Counted in the database, so that the limit is one for all instances.
    rateLimit: {
      storage: 'database',
      customRules: { '/sign-in/*': PASSWORD_TRIES, '/sign-up/*': PASSWORD_TRIES },
    },
    // What it holds in this app's tables would stay behind.
    plugins: [organization({ disableOrganizationDeletion: true })],
    // Set by scripts/serve.ts; a client cannot choose it.
    advanced: { ipAddress: { ipAddressHeaders: ['x-client-ip'] } },
    telemetry: { enabled: false },
  })
  return { auth, database }
}

const DAY_SECONDS = 24 * 60 * 60
/** Per address and minute. */
const PASSWORD_TRIES = { window: 60, max: 20 }
