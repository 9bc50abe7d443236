import {
  type Authenticate,
  createHealthHandler,
  createShapeProxy,
  createUploadHandler,
  createWriteHandler,
  type Principal,
  type SessionStore,
  type ShapeHandler,
  type ShapeLogEntry,
} from '@org/session-db/server'
import type { Pool } from 'pg'
import { expectTypeOf, test } from 'vitest'

type Handler = (request: Request) => Promise<Response>

declare const authenticate: Authenticate
declare const store: SessionStore
declare const database: Pool
declare const secret: string | undefined
const electricUrl = 'http://electric.test'

test('createShapeProxy', () => {
  const serveShape = createShapeProxy({ electricUrl, secret, authenticate })
  expectTypeOf(createShapeProxy).returns.toEqualTypeOf<ShapeHandler>()
  expectTypeOf(serveShape).toExtend<Handler>()
  expectTypeOf(serveShape.close).returns.toBeVoid()
  createShapeProxy({
    electricUrl,
    authenticate: () => null,
    logger: (entry) => expectTypeOf(entry).toEqualTypeOf<ShapeLogEntry>(),
  })
  createShapeProxy({ electricUrl, authenticate, limits: false })
  createShapeProxy({
    electricUrl: ({ tenantId }) => ({ electricUrl: `http://${tenantId}.test`, secret }),
    authenticate,
  })
  createShapeProxy({ electricUrl, authenticate, limits: { maxConcurrent: 9, maxWaiting: 9 } })
  // @ts-expect-error `authenticate` is required
  createShapeProxy({ electricUrl })
  createShapeProxy({
    // @ts-expect-error it may be undefined
    electricUrl: secret,
    authenticate,
  })
  createShapeProxy({
    electricUrl,
    // @ts-expect-error a principal has a tenant
    authenticate: () => ({ userId: 'ann' }),
  })
  createShapeProxy({
    electricUrl,
    authenticate,
    // @ts-expect-error a table is not a shape
    shapes: { notes: { table: 'notes' } },
  })
})

test('Authenticate', () => {
  expectTypeOf<Authenticate>().parameters.toEqualTypeOf<[Request]>()
  expectTypeOf<(request: Request) => Promise<Principal | undefined>>().toExtend<Authenticate>()
})

test('createWriteHandler', () => {
  expectTypeOf(createWriteHandler({ store, authenticate })).toEqualTypeOf<Handler>()
  // @ts-expect-error `authenticate` is required
  createWriteHandler({ store })
  // @ts-expect-error no such option
  createWriteHandler({ store, authenticate, origins: ['http://app.test'] })
})

test('createUploadHandler', () => {
  expectTypeOf(createUploadHandler({ store, authenticate })).toEqualTypeOf<Handler>()
  // @ts-expect-error `authenticate` is required
  createUploadHandler({ store })
})

test('createHealthHandler', () => {
  expectTypeOf(createHealthHandler({ database, electricUrl: secret })).toEqualTypeOf<Handler>()
  // @ts-expect-error no such check
  createHealthHandler({ database, required: ['disk'] })
})
