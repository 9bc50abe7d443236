import type { Principal } from '../../../src/schema/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { fc } from '../../support/property.ts'
import { insertEvent, insertMessage, insertSession, insertThread } from './store-fixture.ts'

/** Few ids, the same in both tenants, so that batches hit each other's rows. */
const ids = (prefix: string, count: number) =>
  fc.integer({ min: 1, max: count }).map((number) => `${prefix}${number}`)
const session = ids('s', 3)
const thread = ids('t', 4)
const message = ids('m', 8)
const event = ids('e', 5)

const anyPrincipal: fc.Arbitrary<Principal> = fc.record({
  tenantId: fc.constantFrom('red', 'blue'),
  userId: fc.constantFrom('ada', 'bob'),
})

const title = fc.constantFrom('one', 'two', 'three')
/** Some contain words that a search index needs beside those of Postgres's parser. */
const eventTitle = fc.constantFrom('one', 'getUserById', '“登录” now')
const content = fc.constantFrom('', 'short', '👋'.repeat(300), 'x'.repeat(290), 'y'.repeat(290))
const visibility = fc.constantFrom('private' as const, 'tenant' as const)
const mode = fc.constantFrom('session' as const, 'general' as const)
const status = fc.constantFrom('active' as const, 'archived' as const)
const expectedVersion = fc.integer({ min: 1, max: 4 })

/** A record with some optional keys. */
function partly<T extends object, K extends keyof T>(
  all: { [Key in keyof T]: fc.Arbitrary<T[Key]> },
  requiredKeys: K[],
) {
  return fc.record<T, K>(all, { requiredKeys })
}

const inserts: fc.Arbitrary<MutationInput>[] = [
  partly({ id: session, title, visibility }, ['id', 'title']).map((value) => ({
    collection: 'sessions',
    type: 'insert',
    value,
  })),
  partly(
    {
      id: event,
      sessionId: session,
      seq: fc.nat(3),
      kind: fc.constant('other' as const),
      title: eventTitle,
    },
    ['id', 'sessionId', 'seq', 'kind'],
  ).map((value) => ({ collection: 'timelineEvents', type: 'insert', value })),
  partly({ id: thread, sessionId: session, mode, title, status }, [
    'id',
    'sessionId',
    'mode',
    'title',
  ]).map((value) => ({ collection: 'chatThreads', type: 'insert', value })),
  partly(
    {
      id: message,
      threadId: thread,
      role: fc.constantFrom('user', 'tool'),
      content,
      clientMessageId: fc.constantFrom('k1', 'k2'),
    },
    ['id', 'threadId', 'role', 'content'],
  ).map((value) => ({ collection: 'chatMessages', type: 'insert', value })),
]

const updates: fc.Arbitrary<MutationInput>[] = [
  partly({ id: session, changes: partly({ title, visibility }, []), expectedVersion }, [
    'id',
    'changes',
  ]).map((update) => ({ collection: 'sessions', type: 'update', ...update })),
  fc.record({ id: event, changes: partly({ title: eventTitle }, []) }).map((update) => ({
    collection: 'timelineEvents',
    type: 'update',
    ...update,
  })),
  partly({ id: thread, changes: partly({ title, status }, []), expectedVersion }, [
    'id',
    'changes',
  ]).map((update) => ({ collection: 'chatThreads', type: 'update', ...update })),
  partly({ id: message, changes: partly({ content }, []), expectedVersion }, ['id', 'changes']).map(
    (update) => ({ collection: 'chatMessages', type: 'update', ...update }),
  ),
]

const deletes: fc.Arbitrary<MutationInput>[] = [
  partly({ id: session, expectedVersion }, ['id']).map((which) => ({
    collection: 'sessions',
    type: 'delete',
    ...which,
  })),
  event.map((id) => ({ collection: 'timelineEvents', type: 'delete', id })),
  partly({ id: thread, expectedVersion }, ['id']).map((which) => ({
    collection: 'chatThreads',
    type: 'delete',
    ...which,
  })),
  partly({ id: message, expectedVersion }, ['id']).map((which) => ({
    collection: 'chatMessages',
    type: 'delete',
    ...which,
  })),
]

const anyMutation = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(...inserts) },
  { weight: 3, arbitrary: fc.oneof(...updates) },
  { weight: 1, arbitrary: fc.oneof(...deletes) },
)

/** A batch that a user sends one or more times. */
export interface Sending {
  readonly principal: Principal
  readonly mutations: readonly MutationInput[]
  /** Index of the earlier batch whose id it reuses. Without one it gets a new id. */
  readonly reusedId: number | null
  readonly sends: number
}

export const anySending: fc.Arbitrary<Sending> = fc.record({
  principal: anyPrincipal,
  mutations: fc.oneof(
    { weight: 3, arbitrary: fc.array(anyMutation, { minLength: 1, maxLength: 1 }) },
    { weight: 2, arbitrary: fc.array(anyMutation, { minLength: 2, maxLength: 4 }) },
  ),
  reusedId: fc.option(fc.nat(200), { freq: 12 }),
  sends: fc.constantFrom(1, 1, 1, 2),
})

const sets: fc.Arbitrary<MutationInput>[] = [
  fc
    .record({ id: thread, changes: partly({ readPosition: fc.nat(5), pinned: fc.boolean() }, []) })
    .map((set) => ({ collection: 'threadStates', type: 'set', ...set })),
  fc
    .record({
      id: message,
      changes: partly(
        {
          rating: fc.constantFrom('up' as const, 'down' as const, null),
          comment: fc.constantFrom('good', 'bad', null),
        },
        [],
      ),
    })
    .map((set) => ({ collection: 'messageFeedback', type: 'set', ...set })),
]

/** A batch that sets a user's own rows, beside other mutations. */
export const anySetting: fc.Arbitrary<Sending> = fc.record({
  principal: anyPrincipal,
  mutations: fc.array(fc.oneof({ weight: 4, arbitrary: fc.oneof(...sets) }, anyMutation), {
    minLength: 1,
    maxLength: 3,
  }),
  reusedId: fc.constant(null),
  sends: fc.constantFrom(1, 2),
})

/** Rows inserted before the random batches, without which most of these would hit nothing. */
export const firstSendings: readonly Sending[] = ['red', 'blue'].flatMap((tenantId) => {
  const by = (userId: string, ...mutations: MutationInput[]): Sending => ({
    principal: { tenantId, userId },
    mutations,
    reusedId: null,
    sends: 1,
  })
  return [
    by('ada', insertSession('s1', { visibility: 'tenant' }), insertSession('s2')),
    by('bob', insertSession('s3', { visibility: 'tenant' }), insertThread('s1', 't1')),
    by('ada', insertThread('s3', 't2'), insertThread('s2', 't3')),
    by('ada', insertMessage('t1', 'm1'), insertMessage('t2', 'm2'), insertMessage('t3', 'm3')),
    by('bob', insertEvent('s3', 0, { id: 'e1' }), insertMessage('t1', 'm4')),
  ]
})
