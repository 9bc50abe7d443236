import type { S3Client } from '@aws-sdk/client-s3'
import type { WriteAdapter } from '@org/session-db'
import {
  createShapeServer,
  type DevStack,
  type EmbeddedPostgres,
  type ShapeServer,
  startDevStack,
  startEmbeddedPostgres,
} from '@org/session-db/dev'
import { mountDevtools } from '@org/session-db/devtools'
import { createMetrics, type Metrics } from '@org/session-db/metrics'
import { createS3ContentStore } from '@org/session-db/s3'
import { type ContentStore, createLegacyStores, type SessionStore } from '@org/session-db/server'
import {
  type ChatMessageRow,
  createMemorySessionStore,
  createMemoryWriteAdapter,
  createShapeMock,
  type Principal,
  type SessionRow,
  type ShapeMock,
  type ShapeName,
} from '@org/session-db/testing'
import { setupServer } from 'msw/node'
import type { Pool } from 'pg'
import { Registry } from 'prom-client'
import { describe, expectTypeOf, test } from 'vitest'

declare const client: S3Client
declare const database: Pool
declare const store: SessionStore
declare const port: number | undefined

describe('@org/session-db/dev', () => {
  test('startDevStack', () => {
    expectTypeOf(startDevStack({ port })).resolves.toEqualTypeOf<DevStack>()
    // @ts-expect-error no such option
    startDevStack({ databaseUrl: 'postgres://db.test/app' })
  })

  test('startEmbeddedPostgres', () => {
    expectTypeOf(
      startEmbeddedPostgres({ directory: '/tmp/pg', port }),
    ).resolves.toEqualTypeOf<EmbeddedPostgres>()
    // @ts-expect-error where does it keep its data?
    startEmbeddedPostgres({ port: 5432 })
  })

  test('createShapeServer', () => {
    const options = { database: 'postgres://db.test/app' }
    expectTypeOf(createShapeServer(options)).resolves.toEqualTypeOf<ShapeServer>()
    // @ts-expect-error a URL, not a pool: it opens a replication connection
    createShapeServer({ database })
  })
})

describe('@org/session-db/metrics', () => {
  test('createMetrics', () => {
    const metrics = createMetrics({ registry: new Registry() })
    expectTypeOf(createMetrics()).toEqualTypeOf<Metrics>()
    expectTypeOf(metrics.watchStore(store)).toEqualTypeOf<SessionStore>()
    expectTypeOf(metrics.handler).returns.resolves.toEqualTypeOf<Response>()
    // @ts-expect-error the registry, not its name
    createMetrics({ registry: 'app' })
    // @ts-expect-error that cannot write
    metrics.watchStore({})
  })
})

describe('@org/session-db/s3', () => {
  test('createS3ContentStore', () => {
    expectTypeOf(createS3ContentStore({ client, bucket: 'logs' })).toEqualTypeOf<ContentStore>()
    // @ts-expect-error the app makes the client
    createS3ContentStore({ region: 'eu-central-1', bucket: 'logs' })
    // @ts-expect-error which bucket?
    createS3ContentStore({ client })
  })
})

describe('@org/session-db/testing', () => {
  const mock: ShapeMock = createShapeMock({
    electricUrl: 'http://app.test/api/shapes',
    tables: { sessions: [{ title: 'Review' }] },
  })

  test('createShapeMock', () => {
    expectTypeOf(createShapeMock({ electricUrl: 'http://app.test' })).toEqualTypeOf<
      ShapeMock<Principal, ShapeName>
    >()
    setupServer(...mock.handlers)
    expectTypeOf(mock.rows('sessions')).toEqualTypeOf<SessionRow[]>()
    expectTypeOf(mock.insert('chatMessages', { content: 'Hello' })).toEqualTypeOf<ChatMessageRow>()
    expectTypeOf(mock.transaction(() => {})).toEqualTypeOf<number | null>()
    const named = createShapeMock({ electricUrl: 'http://app.test' })
    named.next.unauthorized('sessions')
    // @ts-expect-error a typing error in the shape's name
    named.next.unauthorized('sesions')
    // @ts-expect-error no such collection
    mock.rows('notes')
    // @ts-expect-error no such column
    mock.insert('chatMessages', { text: 'Hello' })
    // @ts-expect-error a row keeps its tenant
    mock.update('sessions', 's1', { tenantId: 'other' })
    createShapeMock({
      electricUrl: 'http://app.test',
      // @ts-expect-error no such collection
      tables: { session: [] },
    })
  })

  test('createMemorySessionStore', () => {
    expectTypeOf(createMemorySessionStore(mock).write).toEqualTypeOf<SessionStore['write']>()
    createLegacyStores({
      store: createMemorySessionStore(mock),
      principal: { tenantId: 'acme', userId: 'ann' },
    })
    // @ts-expect-error a mock, not its options
    createMemorySessionStore({ electricUrl: 'http://app.test' })
  })

  test('createMemoryWriteAdapter', () => {
    expectTypeOf(createMemoryWriteAdapter(mock)).toEqualTypeOf<WriteAdapter>()
    createMemoryWriteAdapter(mock, { messageRoles: ['user'], limits: { maxThreads: 2 } })
    const ofApp = createShapeMock({
      electricUrl: 'http://app.test',
      principal: { tenantId: 'acme', userId: 'ann', isAdmin: true },
    })
    // @ts-expect-error isAdmin is missing
    createMemoryWriteAdapter(ofApp, { principal: { tenantId: 'acme', userId: 'ben' } })
    // @ts-expect-error whose tenant?
    createMemoryWriteAdapter(mock, { principal: { userId: 'ann' } })
  })
})

test('mountDevtools', () => {
  expectTypeOf(mountDevtools({}, { open: true })).toEqualTypeOf<() => void>()
  // @ts-expect-error no such option
  mountDevtools({}, { opened: true })
})
