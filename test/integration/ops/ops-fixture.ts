import { randomBytes } from 'node:crypto'
import { migrate } from '../../../src/server/index.ts'
import { freshDatabase } from '../../support/database.ts'
import { hasDebianPostgres, startDebianPostgres } from '../../support/debian-postgres.ts'
import { MIGRATED } from '../../support/postgres.ts'
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
  const database = await freshDatabase(like ? new URL(like.url).pathname.slice(1) : MIGRATED)
  return prepare(database.url, () => database.drop(), like?.names)
}

async function debian() {
  const server = await startDebianPostgres()
  await query(server.url, `CREATE DATABASE ${MIGRATED}`)
  await migrate({ database: new URL(`/${MIGRATED}`, server.url).href })
  const create = async (like?: OpsDatabase) => {
    const name = `test_${suffix()}`
    const template = like ? new URL(like.url).pathname.slice(1) : MIGRATED
    await query(server.url, `CREATE DATABASE ${name} TEMPLATE ${template}`)
    const url = new URL(server.url)
    url.pathname = `/${name}`
    return prepare(url.href, async () => {}, like?.names)
  }
  return { create, stop: () => server.stop() }
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
