import { http, type RequestHandler } from 'msw'
import { defaultAccess, type SessionAccess } from '../access/access.ts'
import { SessionDbError } from '../errors.ts'
import { LIVE_BATCH_NAME } from '../live/protocol.ts'
import {
  type CollectionName,
  type Principal,
  replicatedTables as schemaTables,
} from '../schema/index.ts'
import { createShapeProxy } from '../server/proxy/shape-proxy.ts'
import { createSessionShapes, type ShapeRegistry } from '../shapes/index.ts'
import { toWriteFailure, type WriteResult } from '../writes/index.ts'
import { type AppRow, type AppTables, appTableOf } from './app-tables.ts'
import { completeRow, seedRows } from './complete-row.ts'
import { createEngine } from './engine.ts'
import { createMemoryDatabase, type MemoryDatabase } from './memory-database.ts'
import { createRequests, type OpenRequest } from './requests.ts'
import {
  keyOf,
  type RowChanges,
  type RowId,
  type RowInput,
  type RowInputs,
  type Rows,
} from './tables.ts'
import type { Transaction } from './transaction.ts'

export interface ShapeMockOptions<P extends Principal = Principal> {
  /** What `createSessionCollections` is given. Relative ones are for pages only. */
  readonly electricUrl: string
  /** Who sends every request, and whom new rows belong to. Default `defaultPrincipal`. */
  readonly principal?: P
  /** Says who sends a request, for tests with several users; null is answered with 401. */
  readonly authenticate?: (request: Request) => P | null | Promise<P | null>
  /** The rows there are at first, and again after `reset`. */
  readonly tables?: RowInputs
  /** How long a live request without news is held, in ms. Default 20,000, as the engine has it. */
  readonly longPollMs?: number
  /** The access rule for shapes and writes, from `createAccess`. */
  readonly access?: SessionAccess<P>
  /** The shapes on offer. Default: this library's, under `access`. */
  readonly shapes?: ShapeRegistry<P>
  /** Tables of the app's own, by their names in the database, for shapes and conditions about them. */
  readonly appTables?: AppTables
}

/** Which shape a control is about, by the name in its URL; all when left out. */
export type ShapeName = string

/** Shape streams for tests: rows in memory behind MSW handlers, and what may go wrong with them. */
export interface ShapeMock {
  /** For `setupServer`, `setupWorker` or `server.use`. */
  readonly handlers: RequestHandler[]
  /** Puts a row in as an INSERT does, triggers and constraints included. Returns it as stored. */
  insert<Name extends CollectionName>(collection: Name, row?: RowInput<Name>): Rows[Name]
  /** Changes a row as an UPDATE does: its version rises. Returns it as stored. */
  update<Name extends CollectionName>(
    collection: Name,
    id: RowId,
    changes: RowChanges<Name>,
  ): Rows[Name]
  /** Deletes a row, and what belongs to it. */
  delete(collection: CollectionName, id: RowId): void
  /**
   * Makes one transaction of what `work` does. Returns its txid, null when nothing changed. When
   * `work` throws, nothing has happened.
   */
  transaction(work: () => void): number | null
  /** All rows of a collection, of every tenant, columns that browsers never see included. */
  rows<Name extends CollectionName>(collection: Name): Rows[Name][]
  /** The rows of a table of the app's own, and how to change them: one transaction each. */
  appTable(name: string): {
    rows(): AppRow[]
    /** Puts a row in, or in the place of the one with its key. Returns it as stored. */
    put(row: AppRow): AppRow
    /** Deletes the row with this key. */
    delete(key: AppRow): void
  }
  /** Shares a session with its tenant. */
  grant(sessionId: RowId): void
  /** Takes a session away from everybody but its owner; from `principal` even when it owns it. */
  revoke(sessionId: RowId): void
  /** Every answer takes `ms` longer from now on; 0 ends that. */
  delay(ms: number): void
  /** The first page of every shape takes `ms` longer from now on; 0 ends that. */
  slowFirstPage(ms: number): void
  /** Breaks every open request, as a network does, and every further one until it is restored. */
  dropConnection(): void
  /** Lets requests through again. Streams notice by themselves, as soon as they try again. */
  restoreConnection(): void
  /** What the next request is answered with. Requests that wait for news are ended to make it soon. */
  readonly next: {
    /** 401, once: the stream ends until its collection is started again. */
    unauthorized(shape?: ShapeName): void
    /** 409 at once, to every client: it starts over with a new snapshot. */
    mustRefetch(shape?: ShapeName): void
    /** 503 with Retry-After, once: the stream tries again by itself. */
    unavailable(options?: { readonly retryAfterSeconds?: number; readonly shape?: ShapeName }): void
  }
  /**
   * Back to the beginning: the first rows, no delays, no request left open, every shape new. Streams
   * of before that were not cleaned up are ended with 410. Call it after each test.
   */
  reset(): void
}

/** Who asks, unless a test says otherwise. */
export const defaultPrincipal: Principal = { tenantId: 'tenant-1', userId: 'user-1' }

const databases = new WeakMap<
  ShapeMock,
  { database: MemoryDatabase; applied: AppliedBatches; access: SessionAccess }
>()

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
  const access: SessionAccess<P> = options.access ?? defaultAccess
  const registry: ShapeRegistry<P> = options.shapes ?? createSessionShapes(access)
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
        // Simulated faults are not reported.
        onError: () => {},
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
  // A principal of the mock's type is given to the adapter by the app's own test.
  databases.set(mock, { database, applied, access: access as unknown as SessionAccess })
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

/** Where `@electric-sql/client` keeps, across page loads, what it has learned of shapes. */
const STORED = ['electric_expired_shapes', 'electric_up_to_date_tracker']

/**
 * Removes what the Electric client has stored in the page. What it holds in memory it lets nobody
 * clear: an expired handle stays known there, which is harmless as no handle is ever given twice.
 */
export function clearClientStorage(): void {
  const { localStorage } = globalThis as { localStorage?: Storage }
  for (const key of STORED) localStorage?.removeItem(key)
}
