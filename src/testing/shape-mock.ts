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
import { createSessionShapes, type ShapeRegistry, type sessionShapes } from '../shapes/index.ts'
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
  /** The `electricUrl` of `createSessionCollections`. A relative URL works in pages only. */
  readonly electricUrl: string
  /** The principal of every request and the owner of new rows. Default `defaultPrincipal`. */
  readonly principal?: P
  /** Authenticates requests, for tests with several users. Null responds with 401. */
  readonly authenticate?: (request: Request) => P | null | Promise<P | null>
  /** The initial rows, which `reset` restores. */
  readonly tables?: RowInputs
  /** The long-poll timeout, in ms. Default 20,000, as in Electric. */
  readonly longPollMs?: number
  /** The access rule for shapes and writes, from `createAccess`. */
  readonly access?: SessionAccess<P>
  /** The shapes on offer. Default: this library's, under `access`. */
  readonly shapes?: ShapeRegistry<P>
  /** The app's own tables by their names in the database, for its shapes and conditions. */
  readonly appTables?: AppTables
}

/** The name of one of this library's shapes, as in its URL. */
export type ShapeName = keyof typeof sessionShapes & string

/**
 * Shape streams for tests: rows in memory behind MSW handlers, with controls for faults. `Name` is the type of the
 * shapes' names.
 */
export interface ShapeMock<P extends Principal = Principal, Name extends string = string> {
  /** The principal of requests and writes, unless a test names another. */
  readonly principal: P
  /** For `setupServer`, `setupWorker` or `server.use`. */
  readonly handlers: RequestHandler[]
  /** Inserts a row, with triggers and constraints. Returns it as stored. */
  insert<Name extends CollectionName>(collection: Name, row?: RowInput<Name>): Rows[Name]
  /** Updates a row, which increments its version. Returns it as stored. */
  update<Name extends CollectionName>(
    collection: Name,
    id: RowId,
    changes: RowChanges<Name>,
  ): Rows[Name]
  /** Deletes a row and its dependent rows. */
  delete(collection: CollectionName, id: RowId): void
  /**
   * Runs `work` as one transaction, which is rolled back if `work` throws. Returns its txid, or null if nothing
   * changed.
   */
  transaction(work: () => void): number | null
  /** Returns all rows of a collection: all tenants, server-only columns included. */
  rows<Name extends CollectionName>(collection: Name): Rows[Name][]
  /** Returns access to an app's own table. Every change is one transaction. */
  appTable(name: string): {
    rows(): AppRow[]
    /** Inserts a row or replaces the one with its key. Returns it as stored. */
    put(row: AppRow): AppRow
    /** Deletes the row with this key. */
    delete(key: AppRow): void
  }
  /** Shares a session with its tenant. */
  grant(sessionId: RowId): void
  /** Makes a session private. If `principal` owns it, the owner changes, so that it disappears for `principal`. */
  revoke(sessionId: RowId): void
  /** Delays every response by `ms`; 0 ends the delay. */
  delay(ms: number): void
  /** Delays the first page of every shape by `ms`; 0 ends the delay. */
  slowFirstPage(ms: number): void
  /** Fails all open and later requests and writes with a network error until `restoreConnection`. */
  dropConnection(): void
  /** Lets requests through again. Streams recover with their next retry. */
  restoreConnection(): void
  /**
   * Sets the response to the next request of a shape, or of any without a name. Waiting polls are ended so that it
   * comes soon. Each throws `invalid` for a name that no shape has.
   */
  readonly next: {
    /** 401, once. The stream ends until its collection is restarted. */
    unauthorized(shape?: Name): void
    /** 409 to every client, which then refetches the snapshot. */
    mustRefetch(shape?: Name): void
    /** 503 with Retry-After, once. The stream retries. */
    unavailable(options?: { readonly retryAfterSeconds?: number; readonly shape?: Name }): void
  }
  /**
   * Restores the initial rows, removes delays, closes open requests and expires all shapes. Streams that a test
   * didn't clean up end with 410. Call it after each test.
   */
  reset(): void
}

/** The default principal of the mock. */
export const defaultPrincipal: Principal = { tenantId: 'tenant-1', userId: 'user-1' }

/** The database of a mock, its access rule, and what was written beside the rows. */
export interface MockParts {
  readonly database: MemoryDatabase
  readonly access: SessionAccess
  /** The applied batches by tenant and id, with their results. */
  readonly applied: Map<string, { readonly request: string; readonly result: WriteResult }>
  /** True while the connection is dropped. */
  readonly isDown: () => boolean
  /** The uploads by tenant and session. */
  readonly uploads: Map<string, MemoryUpload>
}

/** The upload of a session, whose content is `bytes` once it is complete. */
export interface MemoryUpload {
  readonly step: 'receiving' | 'done' | 'failed'
  readonly totalBytes: number | null
  readonly bytes: Uint8Array
}

const databases = new WeakMap<ShapeMock, MockParts>()

/** Returns the database behind a mock. */
export function databaseOf(mock: ShapeMock): MockParts {
  const found = databases.get(mock)
  if (found) return found
  throw new SessionDbError('invalid', 'Expected a mock created by createShapeMock.')
}

/**
 * Creates shape streams for tests, served by the production proxy and protocol code over rows in memory.
 *
 * @throws SessionDbError `invalid` for a row that the database would refuse, or a shape of a table that the mock
 * doesn't have
 * @example
 * const mock = createShapeMock({
 *   electricUrl: 'http://app.test/api/shapes',
 *   tables: { sessions: [{ id: 's1', title: 'Fix the login' }] },
 * })
 * const server = setupServer(...mock.handlers)
 */
export function createShapeMock<P extends Principal = Principal>(
  options: ShapeMockOptions<P> & { readonly shapes?: undefined },
): ShapeMock<P, ShapeName>
export function createShapeMock<
  P extends Principal = Principal,
  Shapes extends ShapeRegistry<P> = ShapeRegistry<P>,
>(options: ShapeMockOptions<P> & { readonly shapes?: Shapes }): ShapeMock<P, keyof Shapes & string>
export function createShapeMock<P extends Principal = Principal>(
  options: ShapeMockOptions<P>,
): ShapeMock<P> {
  letProcessEnd()
  const { tables: firstRows = {}, appTables = {} } = options
  // An app with its own principal type also passes `principal`.
  const principal = options.principal ?? (defaultPrincipal as P)
  const access: SessionAccess<P> = options.access ?? defaultAccess
  const registry: ShapeRegistry<P> = options.shapes ?? createSessionShapes(access)
  checkTables(registry, appTables)
  const applied: MockParts['applied'] = new Map()
  const uploads: MockParts['uploads'] = new Map()
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
    // The mock's controls apply to single requests, so live requests aren't shared.
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

  function known(shape: string | undefined): string | undefined {
    if (shape === undefined || shape in registry) return shape
    const names = Object.keys(registry).join(', ')
    throw new SessionDbError('invalid', `There is no shape '${shape}'. This mock has ${names}.`)
  }

  const mock: ShapeMock<P> = {
    principal,
    handlers: [
      http.all(`${options.electricUrl.replace(/\/+$/, '')}/*`, ({ request }) => serve(request)),
    ],
    insert: (collection, row = {}) =>
      write((transaction) => {
        return transaction.insert(collection, completeRow(transaction, collection, row, principal))
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
      unauthorized: (shape) => requests.interrupt(known(shape), { status: 401 }),
      mustRefetch: (shape) => engine.expire(known(shape)),
      unavailable: ({ retryAfterSeconds = 1, shape } = {}) =>
        requests.interrupt(known(shape), { status: 503, retryAfterSeconds }),
    },
    reset() {
      requests.reset()
      requests.cutAll(gone)
      engine.retire()
      applied.clear()
      uploads.clear()
      database.clear()
      clearClientStorage()
      seed()
    },
  }
  // A principal of the mock's type is given to the adapter by the app's own test.
  databases.set(mock, {
    database,
    applied,
    uploads,
    isDown: requests.isDown,
    access: access as unknown as SessionAccess,
  })
  return mock
}

function checkTables(registry: ShapeRegistry<never>, appTables: AppTables): void {
  const own: string[] = Object.values(schemaTables).map(({ name }) => name)
  const known = [...own, ...Object.keys(appTables)]
  for (const [name, { table }] of Object.entries(registry)) {
    if (known.includes(table)) continue
    const message = `Shape '${name}' needs table '${table}', but the mock only has ${known.join(', ')}. Add the table to appTables.`
    throw new SessionDbError('invalid', message)
  }
}

/** Makes clients send their live requests one by one. Any type but that of a batch does; an error would be logged by browsers. */
function notShared(): Response {
  return Response.json({ shared: false })
}

/** Ends a stream that outlived its test. It would retry after any other response. */
function gone(): Response {
  const error = new SessionDbError(
    'unavailable',
    'The shape mock has been reset since this stream began. Call cleanup() on the collections of a test when it ends.',
  )
  return Response.json(toWriteFailure(error), { status: 410 })
}

let processMayEnd = false

/**
 * Lets a process end that has cleaned up: Electric's client holds a timer of up to 60 s that saves its up-to-date
 * tracker, which is not reachable from outside, and has nowhere to be saved in Node.
 */
function letProcessEnd(): void {
  const own = globalThis.setTimeout as (run: () => void, ms?: number, ...args: unknown[]) => unknown
  if (processMayEnd || typeof document === 'object') return
  processMayEnd = true
  const replacement = (run: () => void, ms = 0, ...args: unknown[]) => {
    const timer = own(run, ms, ...args)
    if (ms > 1_000 && String(run).includes('pendingSaveTimer')) (timer as NodeJS.Timeout).unref?.()
    return timer
  }
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(own))
  globalThis.setTimeout = replacement as typeof globalThis.setTimeout
}

/** The localStorage keys of `@electric-sql/client`. */
const STORED = ['electric_expired_shapes', 'electric_up_to_date_tracker']

/**
 * Clears the Electric client's localStorage. Its in-memory cache of expired handles can't be cleared, which is
 * harmless because handles are never reused.
 */
function clearClientStorage(): void {
  const { localStorage } = globalThis as { localStorage?: Storage }
  for (const key of STORED) localStorage?.removeItem(key)
}
