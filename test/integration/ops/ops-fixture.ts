import { randomBytes } from 'node:crypto'
import { freshDatabase } from '../../support/database.ts'
import { hasDebianPostgres, startDebianPostgres } from '../../support/debian-postgres.ts'
import { MIGRATED, newDatabase, prepareMigrated } from '../../support/postgres.ts'
import { query } from '../../support/query.ts'

/** A migrated database, with role and stream names that no other test uses. */
export interface OpsDatabase {
  readonly url: string
  readonly names: { electricRole: string; appRole: string; streamId: string }
  /** Returns the URL with another role. */
  as(role: string, password: string): string
  drop(): Promise<void>
}

/** The tested servers: the embedded one, and Debian's if installed. */
export const servers = [
  { name: 'embedded Postgres', start: async () => ({ create: embedded, stop: async () => {} }) },
  ...(hasDebianPostgres ? [{ name: 'Debian’s Postgres 15', start: debian }] : []),
]

async function embedded(like?: OpsDatabase): Promise<OpsDatabase> {
  const database = await freshDatabase(templateOf(like))
  return prepare(database.url, () => database.drop(), like?.names)
}

async function debian() {
  const server = await startDebianPostgres()
  await prepareMigrated(server.url)
  const create = async (like?: OpsDatabase) => {
    const url = await newDatabase(server.url, `test_${suffix()}`, templateOf(like))
    return prepare(url, async () => {}, like?.names)
  }
  return { create, stop: () => server.stop() }
}

function templateOf(like: OpsDatabase | undefined): string {
  return like === undefined ? MIGRATED : new URL(like.url).pathname.slice(1)
}

/** Names the roles of a database. A copy of another one shares its roles, which are dropped with that one. */
function prepare(
  url: string,
  dropDatabase: () => Promise<void>,
  shared?: OpsDatabase['names'],
): OpsDatabase {
  const own = suffix()
  const names = shared ?? {
    electricRole: `electric_${own}`,
    appRole: `app_${own}`,
    streamId: own,
  }
  return {
    url,
    names,
    as: (role, password) => {
      const other = new URL(url)
      other.username = role
      other.password = password
      return other.href
    },
    async drop() {
      await dropDatabase()
      if (shared !== undefined) return
      const admin = new URL(url)
      admin.pathname = '/postgres'
      for (const role of [names.electricRole, names.appRole]) {
        await query(admin.href, `DROP ROLE IF EXISTS ${role}`).catch(() => undefined)
      }
    },
  }
}

function suffix(): string {
  return randomBytes(6).toString('hex')
}
