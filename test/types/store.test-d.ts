import type { Session, ShapeRows } from '@org/session-db'
import type { ContentStore } from '@org/session-db/server'
import {
  type AbandonedMessage,
  type AbandonedMessagesWatch,
  type ChatMessage,
  createAccess,
  createSessionStore,
  type EventHits,
  type MessageStream,
  type MigrateResult,
  markAbandonedMessages,
  migrate,
  type Principal,
  resumeMessage,
  routeStores,
  runWrite,
  type SearchHits,
  type SessionContent,
  type SessionStore,
  type SessionWorker,
  streamMessage,
  type TimelineFacets,
  type TimelineOutline,
  type UploadState,
  type WriteOutcome,
  type WriteResult,
  watchAbandonedMessages,
  where,
} from '@org/session-db/server'
import type { Kysely } from 'kysely'
import type { Pool } from 'pg'
import { describe, expectTypeOf, test } from 'vitest'

interface Member extends Principal {
  readonly roles: readonly string[]
}

declare const pool: Pool
declare const kysely: Kysely<{ notes: { id: string } }>
declare const contents: ContentStore
declare const store: SessionStore
const ann = { tenantId: 'acme', userId: 'ann' }
const batch = { id: 'b1', mutations: [] }

describe('createSessionStore', () => {
  test('routeStores', () => {
    const stores = { eu: {} as SessionStore, us: {} as SessionStore }
    const storeOf = ({ tenantId }: Principal) => (tenantId === 'acme' ? 'us' : 'eu')
    expectTypeOf(routeStores({ stores, storeOf })).toEqualTypeOf<SessionStore>()
    // @ts-expect-error there is no store of this name
    routeStores({ stores, storeOf: () => 'asia' })
  })

  test('takes the app’s own database', () => {
    expectTypeOf(createSessionStore({ database: pool })).toEqualTypeOf<SessionStore>()
    createSessionStore({ database: kysely })
    createSessionStore({ database: 'postgres://db.test/app', contents, uploads: { maxBytes: 1 } })
    // @ts-expect-error `database` is required
    createSessionStore({})
    // @ts-expect-error a URL is passed as a string
    createSessionStore({ database: new URL('postgres://db.test/app') })
    // @ts-expect-error no such limit
    createSessionStore({ database: pool, limits: { maxMessages: 1 } })
    createSessionStore({ database: pool, requestLimits: false })
    createSessionStore({ database: pool, requestLimits: { searches: { maxConcurrent: 1 } } })
    // @ts-expect-error there is no such kind of request
    createSessionStore({ database: pool, requestLimits: { queries: false } })
    expectTypeOf(store.limiters.searches.run(ann, async () => 1)).toEqualTypeOf<Promise<number>>()
  })

  test('requires the principal type of its policy', () => {
    const access = createAccess<Member>({ see: ({ roles }) => where.inArray('id', roles) })
    const own = createSessionStore({ database: pool, access })
    expectTypeOf(own).toEqualTypeOf<SessionStore<Member>>()
    own.write({ ...ann, roles: ['admin'] }, batch)
    // @ts-expect-error the roles are missing
    own.write(ann, batch)
  })

  test('writes and reads for a principal', () => {
    expectTypeOf(store.write(ann, batch)).resolves.toEqualTypeOf<WriteResult>()
    expectTypeOf(store.readMessage(ann, 'm1')).resolves.toEqualTypeOf<ChatMessage | undefined>()
    const rows = store.readRows(ann, { shape: 'sessions', orderBy: 'createdAt', limit: 50 })
    expectTypeOf(rows).resolves.toExtend<ShapeRows<Pick<Session, 'id' | 'createdAt'>>>()
    // @ts-expect-error it is not synced
    store.readRows(ann, { shape: 'sessions', orderBy: 'contentRef' })
    expectTypeOf(store.searchEvents(ann, { query: 'x' })).resolves.toEqualTypeOf<EventHits>()
    expectTypeOf(store.search(ann, { query: 'x' })).resolves.toEqualTypeOf<SearchHits>()
    expectTypeOf(store.outlineTimeline).returns.resolves.toEqualTypeOf<TimelineOutline>()
    expectTypeOf(store.timelineFacets(ann, 's1')).resolves.toEqualTypeOf<TimelineFacets>()
    expectTypeOf(store.close).returns.resolves.toBeVoid()
    // @ts-expect-error the principal is required
    store.write(batch)
    // @ts-expect-error a principal has a tenant
    store.readMessage({ userId: 'ann' }, 'm1')
    // @ts-expect-error a search has a query
    store.searchEvents(ann, {})
  })

  test('takes uploads and derives', () => {
    const session = { id: 's1', title: 'Log', totalBytes: 10 }
    expectTypeOf(store.createSession(ann, session)).resolves.toEqualTypeOf<UploadState>()
    expectTypeOf(store.uploadState(ann, 's1')).resolves.toEqualTypeOf<UploadState>()
    expectTypeOf(store.uploadContent).returns.resolves.toEqualTypeOf<UploadState>()
    expectTypeOf(store.deriveAgain).returns.resolves.toEqualTypeOf<UploadState>()
    expectTypeOf(store.openContent(ann, 's1')).resolves.toEqualTypeOf<SessionContent>()
    expectTypeOf(store.abortUpload).returns.resolves.toBeVoid()
    expectTypeOf(store.startWorker({ concurrency: 2 })).toEqualTypeOf<SessionWorker>()
    // @ts-expect-error content is a stream of bytes
    store.uploadContent(ann, 's1', 'the whole log')
  })
})

test('migrate', () => {
  expectTypeOf(migrate({ database: pool })).resolves.toEqualTypeOf<MigrateResult>()
  // @ts-expect-error takes options
  migrate(pool)
})

test('runWrite', () => {
  expectTypeOf(runWrite(store, ann, batch)).resolves.toEqualTypeOf<WriteOutcome>()
  // @ts-expect-error the principal can't be null
  runWrite(store, null, batch)
})

test('streamMessage and resumeMessage', () => {
  const message = { threadId: 't1', role: 'assistant' } as const
  expectTypeOf(streamMessage(store, ann, message)).resolves.toEqualTypeOf<MessageStream>()
  expectTypeOf(resumeMessage(store, ann, 'm1')).resolves.toEqualTypeOf<MessageStream>()
  // @ts-expect-error the thread is required
  streamMessage(store, ann, { role: 'assistant' })
  // @ts-expect-error no such option
  resumeMessage(store, ann, 'm1', { flush: 10 })
})

test('markAbandonedMessages and watchAbandonedMessages', () => {
  expectTypeOf(markAbandonedMessages({ database: pool })).resolves.toEqualTypeOf<
    AbandonedMessage[]
  >()
  expectTypeOf(
    watchAbandonedMessages({ database: pool, everyMs: 1000 }),
  ).toEqualTypeOf<AbandonedMessagesWatch>()
  // @ts-expect-error in milliseconds
  watchAbandonedMessages({ database: pool, every: '1s' })
  // @ts-expect-error in milliseconds
  markAbandonedMessages({ database: pool, timeoutMs: '1s' })
})
