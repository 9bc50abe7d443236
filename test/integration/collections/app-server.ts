import { randomUUID } from 'node:crypto'
import { shareLiveRequests } from '../../../src/live/server/share-live-requests.ts'
import type { Principal } from '../../../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  migrate,
  type SessionStore,
} from '../../../src/server/index.ts'
import { type Engine, startEngine, startShapeServer } from '../../support/engine.ts'
import { givenEngine } from '../../support/given-engine.ts'
import { query } from '../../support/query.ts'
import { serve } from '../../unit/proxy/serve.ts'

/** An app as this library's users write it: shapes and writes behind the app's own sign-in. */
export interface AppServer {
  /** Base URL, without a slash at its end. */
  readonly url: string
  readonly databaseUrl: string
  /** A store on its database. */
  readonly store: SessionStore
  /** Returns the principal that signs in as `tenant/user`. */
  principal(user: string): Principal
  /** Sets the groups of `tenant/user` from now on. */
  setGroups(user: string, groups: readonly string[]): void
  /** Ends a sign-in, such as `tenant/user;token`: requests with it get 401 from now on. */
  expire(signIn: string): void
  /** Accepts the sign-in again. */
  renew(signIn: string): void
  /** Runs SQL behind the app's back. */
  sql(statement: string, values?: unknown[]): Promise<unknown[]>
  close(): Promise<void>
}

/** The header that signs a request in: `tenant/user`, or `tenant/user;token`. */
export const USER_HEADER = 'x-user'

/**
 * Starts the app on a new database and our shape server, or in `npm run test:electric` on the given ones. Rows that
 * other tests left there are in other tenants: each start has its own.
 *
 * @param ownDatabaseUrl an empty database to take instead, with our shape server.
 */
export async function startAppServer(ownDatabaseUrl?: string): Promise<AppServer> {
  const engine = await engineFor(ownDatabaseUrl)
  const { databaseUrl, electricUrl, secret } = engine
  await migrate({ database: databaseUrl })
  const store = createSessionStore({ database: databaseUrl, requestLimits: false })
  const principal = createPrincipals(randomUUID())
  const expired = new Set<string>()
  const groupsOf = new Map<string, readonly string[]>()
  const authenticate = (request: Request) => {
    const signIn = request.headers.get(USER_HEADER)
    if (signIn === null || !signIn.includes('/') || expired.has(signIn)) return null
    const [user = ''] = signIn.split(';')
    const groups = groupsOf.get(user)
    return { ...principal(user), ...(groups && { groups }) }
  }
  const serveShape = createShapeProxy({
    electricUrl,
    authenticate,
    limits: false,
    fetchClient: shareLiveRequests((input, init) => fetch(input, init)),
    ...(secret === undefined ? {} : { secret }),
  })
  const serveWrite = createWriteHandler({
    store,
    authenticate,
    messageRoles: ['user', 'assistant', 'system', 'tool'],
  })
  const server = await serve((request) =>
    new URL(request.url).pathname.startsWith('/api/shapes/')
      ? serveShape(request)
      : serveWrite(request),
  )
  return {
    url: server.url,
    databaseUrl,
    store,
    principal,
    setGroups: (user, groups) => groupsOf.set(user, groups),
    expire: (signIn) => expired.add(signIn),
    renew: (signIn) => expired.delete(signIn),
    sql: (statement, values) => query(databaseUrl, statement, values),
    async close() {
      await server.close()
      await store.close()
      await engine.close()
    },
  }
}

/** Rows that other tests left in a given engine are in other tenants, so it need not be emptied. */
async function engineFor(ownDatabaseUrl: string | undefined): Promise<Engine> {
  if (ownDatabaseUrl !== undefined) return await startShapeServer(ownDatabaseUrl)
  const given = givenEngine()
  return given === undefined ? await startEngine() : { ...given, close: async () => {} }
}

function createPrincipals(run: string): (user: string) => Principal {
  return (user) => {
    const [tenant = '', userId = ''] = user.split('/')
    return { tenantId: `${tenant}-${run}`, userId }
  }
}
