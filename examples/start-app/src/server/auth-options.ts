import { betterAuth } from 'better-auth'
import { organization } from 'better-auth/plugins'
import pg from 'pg'

// The demo's scripts load this file too, so it must not import Start.

/**
 * Its own schema in the app's Postgres, because better-auth's tables have no schema in their names.
 */
export const AUTH_SCHEMA = 'auth'

interface AuthSettings {
  readonly databaseUrl: string
  /** Signs the cookies. All instances must use the same value. */
  readonly secret: string
  /** The app's URL, `https://app.example`. Default: any port of this machine. */
  readonly url?: string | undefined
}

/**
 * Users, passwords, sessions, and organisations, which are the tenants of this app. better-auth has
 * options for Google and other providers, e-mails and second factors.
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
    // Counted in the database, so that all instances share the limit.
    rateLimit: {
      storage: 'database',
      customRules: { '/sign-in/*': PASSWORD_TRIES, '/sign-up/*': PASSWORD_TRIES },
    },
    // The organisation's rows in this app's tables would remain.
    plugins: [
      organization({
        disableOrganizationDeletion: true,
        teams: { enabled: true, defaultTeam: { enabled: false } },
      }),
    ],
    // Set by scripts/serve.ts; clients can't set it.
    advanced: { ipAddress: { ipAddressHeaders: ['x-client-ip'] } },
    telemetry: { enabled: false },
  })
  return { auth, database }
}

const DAY_SECONDS = 24 * 60 * 60
/** Per address and minute. */
const PASSWORD_TRIES = { window: 60, max: 20 }
