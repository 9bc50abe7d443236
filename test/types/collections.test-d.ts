import {
  type ChatMessage,
  type ChatThread,
  createId,
  createPersistence,
  createSessionCollections,
  fetchEvent,
  type MessageStream,
  type PendingRowWrite,
  type PendingUpload,
  type PendingWrite,
  type Persistence,
  type PersistenceOptions,
  type RowCollection,
  resumeMessage,
  type Session,
  type SessionCollections,
  type SessionCollectionsOptions,
  type SyncStatus,
  streamMessage,
  type TimelineEvent,
  type TimelineView,
  timelineQuery,
  timelineView,
  uploadSession,
  type WholeEvent,
  type WriteAdapter,
} from '@org/session-db'
import {
  createLiveQueryCollection,
  createOptimisticAction,
  createTransaction,
  eq,
} from '@tanstack/db'
import { describe, expectTypeOf, test } from 'vitest'

declare const writeAdapter: WriteAdapter
declare const db: SessionCollections
declare const name: string | undefined

describe('createSessionCollections', () => {
  test('takes a URL and a write adapter and returns the collections', () => {
    const made = createSessionCollections({ electricUrl: '/api/shapes', writeAdapter })
    expectTypeOf(made).toEqualTypeOf<SessionCollections>()
    expectTypeOf(createSessionCollections).returns.toHaveProperty('sessions')
    expectTypeOf<{
      electricUrl: string
      writeAdapter: WriteAdapter
    }>().toExtend<SessionCollectionsOptions>()
  })

  test('takes a persistence', () => {
    const persistence = createPersistence({ identity: { tenantId: 't1', userId: 'ann' } })
    expectTypeOf(createPersistence).parameter(0).toEqualTypeOf<PersistenceOptions>()
    expectTypeOf(persistence).toEqualTypeOf<Persistence>()
    createSessionCollections({ electricUrl: '/api/shapes', writeAdapter, persistence })
    // @ts-expect-error names are in a list
    createPersistence({ identity: { tenantId: 't1', userId: 'ann' }, collections: 'sessions' })
  })

  test('reports wrong options where they are', () => {
    // @ts-expect-error there is no write adapter
    createSessionCollections({ electricUrl: '/api/shapes' })
    createSessionCollections({
      electricUrl: '/api/shapes',
      writeAdapter,
      // @ts-expect-error a misspelt option
      onSignOut: () => {},
    })
    createSessionCollections({
      // @ts-expect-error an URL is a text: `String(url)`
      electricUrl: new URL('http://app.test/api/shapes'),
      writeAdapter,
    })
    createSessionCollections({
      electricUrl: '/api/shapes',
      // @ts-expect-error an adapter answers with an outcome
      writeAdapter: async () => 'done',
    })
    // @ts-expect-error an option is left away, not set to undefined
    createSessionCollections({ electricUrl: '/api/shapes', writeAdapter, gcTime: undefined })
    createSessionCollections({
      electricUrl: '/api/shapes',
      writeAdapter,
      // @ts-expect-error a writer has a tenant
      identity: { userId: 'ann' },
    })
  })

  test('returns collections for live queries', () => {
    expectTypeOf(db.sessions).toExtend<RowCollection<Session>>()
    expectTypeOf(db.session('s1').timeline).toExtend<RowCollection<TimelineEvent>>()
    expectTypeOf(db.session('s1').threads).toExtend<RowCollection<ChatThread>>()
    expectTypeOf(db.session('s1').messages).toExtend<RowCollection<ChatMessage>>()
    expectTypeOf(fetchEvent(db, 's1', 0)).resolves.toEqualTypeOf<WholeEvent>()
    expectTypeOf(db.thread({ id: 't1', sessionId: 's1' }).messages).toExtend<
      RowCollection<ChatMessage>
    >()
    const titles = createLiveQueryCollection((q) =>
      q
        .from({ session: db.sessions })
        .where(({ session }) => eq(session.status, 'ready'))
        .select(({ session }) => ({ id: session.id, title: session.title })),
    )
    expectTypeOf(titles.toArray[0]?.title).toEqualTypeOf<string | undefined>()
    createLiveQueryCollection((q) =>
      q
        .from({ session: db.sessions })
        // @ts-expect-error no such column
        .where(({ session }) => eq(session.state, 'ready')),
    )
    // @ts-expect-error a session has an id
    db.session()
  })

  test('returns a collection’s status', () => {
    expectTypeOf(db.status(db.sessions).get()).toEqualTypeOf<SyncStatus>()
    expectTypeOf(db.status(db.sessions).subscribe).returns.toEqualTypeOf<() => void>()
    expectTypeOf(db.confirm).parameters.toEqualTypeOf<[{ readonly id: string }, number]>()
    expectTypeOf(db.restart).toEqualTypeOf<() => void>()
    expectTypeOf(db.signOut).toEqualTypeOf<() => Promise<void>>()
    expectTypeOf(db.cleanup).toEqualTypeOf<() => Promise<void>>()
    // @ts-expect-error a collection, not its name
    db.status('sessions')
    // @ts-expect-error the txid is a number
    db.confirm(db.sessions, '12')
  })

  test('returns a view of a long timeline', () => {
    expectTypeOf(timelineView).returns.toEqualTypeOf<TimelineView>()
    const view = timelineView(db, 's1', { windowSize: 500 })
    expectTypeOf(view).toEqualTypeOf<TimelineView>()
    expectTypeOf(view.show).parameters.toEqualTypeOf<[number, number]>()
    // @ts-expect-error no such option
    timelineView(db, 's1', { size: 500 })
  })
})

describe('actions', () => {
  const { actions } = db

  test('return the ids of written rows', () => {
    const session = actions.createSession({ title: 'Review' })
    expectTypeOf(session).toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(session.id).toEqualTypeOf<string>()
    expectTypeOf(session.committed).resolves.toHaveProperty('txid').toEqualTypeOf<number | null>()
    actions.createThread({ sessionId: session.id, mode: 'session', title: 'Chat' })
    actions.appendMessage({ threadId: 't1', role: 'user', content: 'Hello' })
    actions.renameThread('t1', 'Other', { expectedVersion: 3 })
    actions.updateMessage('m1', { content: 'Better' })
    actions.updateSession('s1', { visibility: 'tenant' })
    expectTypeOf(actions.activateThread).returns.toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(actions.archiveThread).returns.toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(actions.archiveSession).returns.toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(actions.deleteMessage).returns.toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(actions.deleteThread).returns.toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(actions.deleteSession).returns.toEqualTypeOf<PendingRowWrite>()
    expectTypeOf(actions.write).returns.toEqualTypeOf<PendingWrite>()
  })

  test('report wrong fields where they are', () => {
    // @ts-expect-error a session has a title
    actions.createSession({})
    // @ts-expect-error the server says who owns it
    actions.createSession({ title: 'Review', ownerId: 'eve' })
    // @ts-expect-error the server says whose it is
    actions.createSession({ title: 'Review', tenantId: 'other' })
    // @ts-expect-error no such visibility
    actions.updateSession('s1', { visibility: 'public' })
    // @ts-expect-error counted by the database
    actions.updateSession('s1', { eventCount: 3 })
    actions.appendMessage({
      threadId: 't1',
      // @ts-expect-error no such role
      role: 'human',
      content: 'Hello',
    })
    actions.appendMessage({
      threadId: 't1',
      role: 'user',
      // @ts-expect-error a message is a text; parts go into `parts`
      content: [{ type: 'text', text: 'Hello' }],
    })
    // @ts-expect-error a title may be missing here, a message may not hold it
    actions.appendMessage({ threadId: 't1', role: 'user', content: 'Hello', title: name })
    actions.write([
      { collection: 'sessions', type: 'insert', value: { id: 's1', title: 'Review' } },
      // @ts-expect-error there is no such collection
      { collection: 'session', type: 'delete', id: 's1' },
    ])
    // @ts-expect-error a message never moves to another thread
    actions.updateMessage('m1', { threadId: 't2' })
    // @ts-expect-error versions are numbers
    actions.deleteThread('t1', { expectedVersion: '3' })
  })

  test('stream and upload', () => {
    const stream = streamMessage(db, { threadId: 't1', role: 'assistant' })
    expectTypeOf(stream).toEqualTypeOf<MessageStream>()
    expectTypeOf(resumeMessage).returns.resolves.toEqualTypeOf<MessageStream>()
    expectTypeOf(uploadSession(db, { file: new Blob() })).toEqualTypeOf<PendingUpload>()
    streamMessage(db, {
      threadId: 't1',
      role: 'assistant',
      // @ts-expect-error the text comes by `append`
      content: 'Hello',
    })
    // @ts-expect-error a file, not its path
    uploadSession(db, { file: '/tmp/log.jsonl' })
  })
})

test('createId', () => {
  expectTypeOf(createId()).toEqualTypeOf<string>()
  // @ts-expect-error it takes nothing
  createId('session')
})

test('timelineQuery', () => {
  const events = createLiveQueryCollection(timelineQuery(db.session('s1').timeline, { text: 'x' }))
  expectTypeOf(events.toArray[0]?.kind).toEqualTypeOf<TimelineEvent['kind'] | undefined>()
  expectTypeOf(timelineQuery).parameter(0).toEqualTypeOf<RowCollection<TimelineEvent>>()
  // @ts-expect-error these are not events
  timelineQuery(db.sessions)
  // @ts-expect-error no such kind
  timelineQuery(db.session('s1').timeline, { kinds: ['note'] })
})

describe('mutations of TanStack DB', () => {
  test('take the columns a client may set', () => {
    const { messages } = db.thread({ id: 't1', sessionId: 's1' })
    db.sessions.insert({ title: 'New' })
    messages.insert([{ role: 'user', content: 'Hi' }])
    db.session('s1').messages.insert({ threadId: 't1', role: 'user', content: 'Hi' })
    db.sessions.update('s1', (draft) => {
      draft.title = 'x'
      // @ts-expect-error only the server sets the owner
      draft.ownerId = 'bob'
    })
    // @ts-expect-error only the server sets the version
    db.sessions.insert({ title: 'New', version: 2 })
    // @ts-expect-error a session has a title
    db.sessions.insert({})
    // @ts-expect-error the collection of a session does not know the thread
    db.session('s1').messages.insert({ role: 'user', content: 'Hi' })
  })

  test('persist in transactions, optimistic actions and handlers', () => {
    createTransaction({ mutationFn: db.mutationFn })
    createOptimisticAction<string>({ onMutate: () => {}, mutationFn: db.mutationFn })
    createSessionCollections({
      electricUrl: '/api/shapes',
      writeAdapter,
      handlers: {
        chatMessages: {
          onInsert: async ({ transaction, next }) => {
            expectTypeOf(transaction.mutations[0].modified.content).toEqualTypeOf<string>()
            await next()
            return { txid: 1 }
          },
        },
        // @ts-expect-error there is no such collection
        messages: {},
      },
    })
  })
})
