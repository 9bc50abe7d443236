import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runWrite, type WriteLimits } from '../../../src/server/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'

// Each case runs on Postgres and in memory, which must answer alike.

const limits: Partial<WriteLimits> = {
  maxStreamingMessages: 4,
  maxStreamingPerThread: 2,
  maxThreads: 3,
  maxGrants: 3,
  maxGrantsPerUser: 4,
  maxStreamedBytes: 200,
  maxStreamedDeltas: 3,
}
const messageRoles = ['user', 'assistant'] as const

let fixture: StoreFixture
let write: (principal: typeof ada, ...mutations: MutationInput[]) => Promise<string>

beforeAll(async () => {
  fixture = await startStore({ limits, uploads: { maxUnderWay: 2 } })
})
afterAll(() => fixture.close())

beforeEach(async () => {
  await fixture.rows('TRUNCATE sessions CASCADE')
  const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes' })
  write = async (principal, ...mutations) => {
    const batch = { id: randomUUID(), mutations }
    const inMemory = createMemoryWriteAdapter(mock, { principal, limits, messageRoles })
    const stored = await runWrite(fixture.store, principal, batch, { messageRoles })
    const kept = await inMemory(batch)
    const [one, other] = [stored, kept].map((outcome) =>
      'error' in outcome ? outcome.error : 'ok',
    )
    expect(other).toEqual(one)
    if (one === undefined || typeof one === 'string') return one ?? ''
    return `${one.code} ${one.details?.name ?? ''}`
  }
  for (const id of ['s', 's2']) {
    expect(await write(ada, insertSession(id, { visibility: 'tenant' }))).toBe('ok')
  }
  expect(
    await write(ada, insertThread('s', 't'), insertThread('s', 't2', { mode: 'general' })),
  ).toBe('ok')
})

const stream = (threadId: string, id: string) =>
  insertMessage(threadId, id, {
    role: 'assistant',
    status: 'streaming',
    metadata: { stream: { writer: 'w' } },
  })

const setStatus = (id: string, status: 'streaming' | 'complete'): MutationInput => ({
  collection: 'chatMessages',
  type: 'update',
  id,
  changes: { status },
})

test('limits the unfinished messages of a principal, in a thread and in total', async () => {
  expect(await write(ada, insertThread('s2', 't3'))).toBe('ok')
  for (const [thread, id] of ['t', 't', 't2', 't2'].entries()) {
    expect(await write(ada, stream(id, `m${thread}`))).toBe('ok')
    if (thread === 1) {
      const refused = 'rate_limited maxStreamingPerThread'
      expect(await write(ada, stream('t', 'one-more'))).toBe(refused)
      // Others may still have answers in the thread.
      expect(await write(bob, stream('t', 'bob'))).toBe('ok')
    }
  }
  expect(await write(ada, stream('t3', 'fifth'))).toBe('rate_limited maxStreamingMessages')
  expect(await write(ada, insertMessage('t3', 'complete'))).toBe('ok')
  expect(await write(ada, setStatus('complete', 'streaming'))).toBe(
    'rate_limited maxStreamingMessages',
  )
  expect(await write(ada, setStatus('m0', 'complete'))).toBe('ok')
  expect(await write(ada, stream('t3', 'fifth'))).toBe('ok')
})

test('limits the unfinished messages of one batch', async () => {
  const outcome = await fixture.store
    .write(ada, { id: 'b', mutations: ['a', 'b', 'c'].map((id) => stream('t', id)) })
    .catch((error) => error.code)
  expect(outcome).toBe('rate_limited')
  expect(await fixture.rows("SELECT FROM chat_messages WHERE status = 'streaming'")).toEqual([])
})

test('an editor can’t make others’ messages unfinished without limit', async () => {
  for (const id of ['b1', 'b2', 'b3']) expect(await write(bob, insertMessage('t', id))).toBe('ok')
  expect(await write(ada, setStatus('b1', 'streaming'))).toBe('ok')
  expect(await write(ada, setStatus('b2', 'streaming'))).toBe('ok')
  expect(await write(ada, setStatus('b3', 'streaming'))).toBe('rate_limited maxStreamingPerThread')
})

test('limits the threads of a principal in a session, and no one else’s', async () => {
  expect(await write(ada, insertThread('s', 't3'))).toBe('ok')
  expect(await write(ada, insertThread('s', 't4'))).toBe('too_large maxThreads')
  expect(await write(ada, insertThread('s', 't4'), insertSession('not-written'))).toBe(
    'too_large maxThreads',
  )
  expect(await write(bob, insertThread('s', 'bob'))).toBe('ok')
  expect(await write(ada, insertThread('s2', 'other'))).toBe('ok')
})

test('limits the grants of a session', async () => {
  const grant = (grantee: string): MutationInput => ({
    collection: 'sessionGrants',
    type: 'insert',
    value: { id: grantee, sessionId: 's', grantee, role: 'viewer' },
  })
  // The grant to the tenant is one of them.
  expect(await write(ada, grant('user:x'), grant('user:y'))).toBe('ok')
  expect(await write(ada, grant('user:z'))).toBe('too_large maxGrants')
})

test('limits the grants of a principal in all sessions', async () => {
  const grant = (sessionId: string, grantee: string): MutationInput => ({
    collection: 'sessionGrants',
    type: 'insert',
    value: { id: `${sessionId} ${grantee}`, sessionId, grantee, role: 'editor' },
  })
  const own = [insertSession('own'), insertSession('own2'), insertSession('own3')]
  expect(await write(ada, ...own)).toBe('ok')
  expect(await write(ada, grant('own', 'user:x'), grant('own', 'user:bob'))).toBe('ok')
  expect(await write(ada, grant('own2', 'user:x'), grant('own2', 'user:y'))).toBe('ok')
  expect(await write(ada, grant('own3', 'user:x'))).toBe('too_large maxGrantsPerUser')
  // Sessions can still be shared with everybody, and others have their own limit.
  expect(await write(ada, grant('own3', 'tenant'))).toBe('ok')
  expect(await write(ada, insertSession('shared', { visibility: 'tenant' }))).toBe('ok')
  expect(await write(bob, insertSession('bobs'), grant('bobs', 'user:x'))).toBe('ok')
})

test('limits the deltas of a streamed message', async () => {
  expect(await write(ada, stream('t', 'm'))).toBe('ok')
  const append = (seq: number, delta: string): MutationInput => ({
    collection: 'chatMessages',
    type: 'append',
    id: 'm',
    writer: 'w',
    seq,
    deltas: [{ delta }],
  })
  expect(await write(ada, append(0, 'é'.repeat(100)))).toBe('too_large maxStreamedBytes')
  expect(await write(ada, append(0, 'é'.repeat(30)))).toBe('ok')
  expect(await write(ada, append(1, 'é'.repeat(60)))).toBe('too_large maxStreamedBytes')
  for (const seq of [1, 2]) expect(await write(ada, append(seq, 'x'))).toBe('ok')
  expect(await write(ada, append(3, 'x'))).toBe('too_large maxStreamedDeltas')
  // A delta that was stored is accepted again.
  expect(await write(ada, append(2, 'x'))).toBe('ok')
})

test('only the roles that a client may write are accepted', async () => {
  expect(await write(ada, insertMessage('t', 'sys', { role: 'system' }))).toBe('forbidden ')
  const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes' })
  const adapter = createMemoryWriteAdapter(mock, { principal: ada })
  const batch = (...mutations: MutationInput[]) => ({ id: randomUUID(), mutations })
  await adapter(batch(insertSession('s'), insertThread('s', 't')))
  expect(await adapter(batch(insertMessage('t', 'u')))).toHaveProperty('txid')
  for (const role of ['assistant', 'system', 'tool']) {
    expect(await adapter(batch(insertMessage('t', role, { role })))).toMatchObject({
      error: { code: 'forbidden' },
    })
  }
})

test('limits the uploads of a principal that are under way', async () => {
  const { store } = fixture
  const create = (principal: typeof ada, id: string) =>
    store.createSession(principal, { id, title: id, totalBytes: 10 }).then(
      () => 'ok',
      (error) => `${error.code} ${error.details?.name}`,
    )
  expect(await create(ada, 'u1')).toBe('ok')
  expect(await create(ada, 'u2')).toBe('ok')
  expect(await create(ada, 'u3')).toBe('rate_limited maxUnderWay')
  expect(await fixture.rows("SELECT FROM sessions WHERE id = 'u3'")).toEqual([])
  // One that is under way is resumed, and others have their own limit.
  expect(await create(ada, 'u2')).toBe('ok')
  expect(await create(bob, 'u4')).toBe('ok')
  await store.abortUpload(ada, 'u1')
  expect(await create(ada, 'u3')).toBe('ok')
})
