import { getMigrations } from 'better-auth/db/migration'
import pg from 'pg'
import {
  DEMO_PASSWORD,
  demoEmail,
  demoTeams,
  demoUsers,
  type SeededUser,
} from '../src/lib/demo-users.ts'
import { AUTH_SCHEMA, createAuth } from '../src/server/auth-options.ts'

interface Settings {
  readonly databaseUrl: string
  readonly secret: string
}

/** Migrates the tables of users and organisations. */
export function migrateUsers(settings: Settings): Promise<void> {
  return withUsers(settings, async () => {})
}

/** Migrates the tables of users and organisations, and adds the demo's. */
export function seedUsers(settings: Settings): Promise<void> {
  return withUsers(settings, async ({ adapter, password }) => {
    const hash = await password.hash(DEMO_PASSWORD)
    for (const user of demoUsers) await addUser(adapter, user, hash)
    for (const team of demoTeams) await addTeam(adapter, team)
  })
}

type Context = Awaited<ReturnType<typeof createAuth>['auth']['$context']>
type Adapter = Context['adapter']

async function withUsers(settings: Settings, run: (context: Context) => Promise<void>) {
  const client = new pg.Client({ connectionString: settings.databaseUrl })
  await client.connect()
  const { auth, database } = createAuth(settings)
  try {
    // Of two processes that start on one database, the second one waits and finds everything there.
    await client.query(`SELECT pg_advisory_lock(hashtext('start-app-users'))`)
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${AUTH_SCHEMA}`)
    const { runMigrations } = await getMigrations(auth.options)
    await runMigrations()
    await run(await auth.$context)
  } finally {
    await database.end()
    await client.end()
  }
}

/** With readable ids, which signing up would not create. */
async function addUser(adapter: Adapter, user: SeededUser, passwordHash: string): Promise<void> {
  const { id, name, tenantId, tenantName } = user
  const add = adder(adapter)
  const updatedAt = new Date()
  await add('user', id, { name, email: demoEmail(user), emailVerified: true, updatedAt })
  await add('account', `password-of-${id}`, {
    accountId: id,
    providerId: 'credential',
    userId: id,
    password: passwordHash,
    updatedAt,
  })
  await add('organization', tenantId, { name: tenantName, slug: tenantId })
  await add('member', `${id}-at-${tenantId}`, {
    userId: id,
    organizationId: tenantId,
    role: demoUsers.find((other) => other.tenantId === tenantId) === user ? 'owner' : 'member',
  })
}

async function addTeam(adapter: Adapter, team: (typeof demoTeams)[number]): Promise<void> {
  const { id, name, tenantId, members } = team
  const add = adder(adapter)
  await add('team', id, { name, organizationId: tenantId, updatedAt: new Date() })
  for (const userId of members)
    await add('teamMember', `${userId}-in-${id}`, { teamId: id, userId })
}

/** Adds rows that are not there yet. */
function adder(adapter: Adapter) {
  return async (model: string, id: string, data: Record<string, unknown>) => {
    const where = [{ field: 'id', value: id }]
    if (await adapter.findOne({ model, where })) return
    const row = { id, createdAt: new Date(), ...data }
    await adapter.create({ model, data: row, forceAllowId: true })
  }
}
