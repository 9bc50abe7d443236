import { http } from 'msw'
import { SessionDbError } from '../errors.ts'
import { LIVE_BATCH_NAME } from '../live/protocol.ts'
import {
  type CollectionName,
  type Principal,
  replicatedTables as schemaTables,
} from '../schema/index.ts'
import { createShapeProxy } from '../server/proxy/shape-proxy.ts'
import { type ShapeRegistry, sessionShapes } from '../shapes/index.ts'
import { toWriteFailure, type WriteResult } from '../writes/index.ts'
import { clearClientStorage } from './client-caches.ts'
import { type AppTables, appTableOf } from './database/app-tables.ts'
import { completeRow } from './database/complete-row.ts'
import { createMemoryDatabase, type MemoryDatabase } from './database/memory-database.ts'
import { seedRows } from './database/seed-rows.ts'
import { keyOf } from './database/tables.ts'
import type { Transaction } from './database/transaction.ts'
import { createEngine } from './engine.ts'
import { createRequests, type OpenRequest } from './requests.ts'
import type { RowId, Rows } from './rows.ts'
import type { ShapeMock, ShapeMockOptions } from './shape-mock.ts'

/** Who asks, unless a test says otherwise. */
export const defaultPrincipal: Principal = { tenantId: 'tenant-1', userId: 'user-1' }

const databases = new WeakMap<ShapeMock, { database: MemoryDatabase; applied: AppliedBatches }>()

/** The batches that have been written, by tenant and id, with their first answers. */
export type AppliedBatches = Map<string, { readonly request: string; readonly result: WriteResult }>

/** What stands behind a mock. */
export function databaseOf(mock: ShapeMock) {
  const found = databases.get(mock)
  if (found) return found
  throw new SessionDbError('invalid', 'This is no mock that createShapeMock has made.')
}

/**
 * Creates shape streams for tests. They are answered by the same proxy and protocol code as in
 * production, over rows in memory.
 *
 * @throws SessionDbError `invalid` for a row that the database would not take, or a shape of a table
 * that the mock does not have
 * @example
 * const mock = createShapeMock({
 *   electricUrl: 'http://app.test/api/shapes',
 *   tables: { sessions: [{ id: 's1', title: 'Fix the login' }] },
 * })
 * const server = setupServer(...mock.handlers)
 */
export function createShapeMock<P extends Principal = Principal>(
  options: ShapeMockOptions<P>,
): ShapeMock {
  const { tables: firstRows = {}, appTables = {} } = options
  // Only an app that gives shapes of its own has a principal of its own.
  const principal = options.principal ?? (defaultPrincipal as P)
  const registry: ShapeRegistry<P> = options.shapes ?? sessionShapes
  checkTables(registry, appTables)
  const applied: AppliedBatches = new Map()
  const requests = createRequests()
  const database = createMemoryDatabase(
    (transaction) => engine.shapes.publish(transaction),
    appTables,
  )
  const engine = createEngine(database, {
    registry,
    longPollMs: options.longPollMs ?? 20_000,
    salt: crypto.randomUUID(),
  })
  const authenticate = options.authenticate ?? (() => principal)
  seed()

  function seed(): void {
    seedRows(database, firstRows, principal)
    database.transaction(() => {
      for (const [name, { rows = [] }] of Object.entries(appTables)) {
        for (const row of rows) database.putAppRow(name, row)
      }
    })
  }

  function serve(request: Request): Promise<Response> {
    const url = new URL(request.url)
    // The controls of a mock speak of single requests: live ones are not shared here.
    if (url.pathname.endsWith(`/${LIVE_BATCH_NAME}`)) return Promise.resolve(notShared())
    const handle = url.searchParams.get('handle')
    if (handle !== null && engine.isRetired(handle)) return Promise.resolve(gone())
    return requests.run(request, (open: OpenRequest) => {
      const proxy = createShapeProxy<P>({
        electricUrl: 'http://engine.invalid',
        shapes: engine.registry,
        authenticate: (asked) => (open.interruption?.status === 401 ? null : authenticate(asked)),
        fetchClient: engine.fetchFor(open),
      })
      return proxy(request)
    })
  }

  function write<Result>(work: (transaction: Transaction) => Result): Result {
    return database.transaction(work).result
  }

  function find<Name extends CollectionName>(collection: Name, id: RowId): Rows[Name] {
    const key = typeof id === 'string' ? { tenantId: principal.tenantId, id } : id
    const row = database.tables[collection].get(keyOf(key)) as Rows[Name] | undefined
    if (row) return row
    const message = `There is no row '${key.id}' in ${collection} of tenant '${key.tenantId}'. Insert it first, or name another tenant with { tenantId, id }.`
    throw new SessionDbError('invalid', message)
  }

  const mock: ShapeMock = {
    handlers: [
      http.all(`${options.electricUrl.replace(/\/+$/, '')}/*`, ({ request }) => serve(request)),
    ],
    insert: (collection, row = {}) =>
      write((transaction) => {
        const stored = completeRow(transaction, collection, row, principal)
        transaction.insert(collection, stored)
        return stored
      }),
    update: (collection, id, changes) =>
      write((transaction) => {
        const old = find(collection, id)
        const row = { ...old, ...changes }
        completeRow(transaction, collection, row, principal)
        return transaction.update(collection, old, row)
      }),
    delete: (collection, id) =>
      write((transaction) => transaction.delete(collection, find(collection, id))),
    transaction: (work) => database.transaction(work).txid,
    rows: (collection) => [...database.tables[collection].values()] as never,
    appTable(name) {
      appTableOf(appTables, name)
      return {
        rows: () => database.appRows(name),
        put: (row) => database.putAppRow(name, row),
        delete: (key) => database.deleteAppRow(name, key),
      }
    },
    grant: (sessionId) => void mock.update('sessions', sessionId, { visibility: 'tenant' }),
    revoke(sessionId) {
      const { ownerId } = find('sessions', sessionId)
      const owner = ownerId === principal.userId ? { ownerId: `not-${ownerId}` } : {}
      mock.update('sessions', sessionId, { visibility: 'private', ...owner })
    },
    delay: requests.delay,
    slowFirstPage: requests.slowFirstPage,
    dropConnection: () => requests.setConnection(true),
    restoreConnection: () => requests.setConnection(false),
    next: {
      unauthorized: (shape) => requests.interrupt(shape, { status: 401 }),
      mustRefetch: engine.expire,
      unavailable: ({ retryAfterSeconds = 1, shape } = {}) =>
        requests.interrupt(shape, { status: 503, retryAfterSeconds }),
    },
    reset() {
      requests.reset()
      requests.cutAll(gone)
      engine.retire()
      applied.clear()
      database.clear()
      clearClientStorage()
      seed()
    },
  }
  databases.set(mock, { database, applied })
  return mock
}

function checkTables(registry: ShapeRegistry<never>, appTables: AppTables): void {
  const own: string[] = Object.values(schemaTables).map(({ name }) => name)
  const known = [...own, ...Object.keys(appTables)]
  for (const [name, { table }] of Object.entries(registry)) {
    if (known.includes(table)) continue
    const message = `Shape '${name}' is about table '${table}', which the mock does not have: it has ${known.join(', ')}. Give others in appTables.`
    throw new SessionDbError('invalid', message)
  }
}

function notShared(): Response {
  const error = new SessionDbError('not_found', 'The shape mock answers live requests one by one.')
  return Response.json(toWriteFailure(error), { status: 404 })
}

/** Ends a stream that outlived its test: any other answer would make it ask again. */
function gone(): Response {
  const error = new SessionDbError(
    'unavailable',
    'The shape mock has been reset since this stream began. Call cleanup() on the collections of a test when it ends.',
  )
  return Response.json(toWriteFailure(error), { status: 410 })
}
