import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createSessionStore } from '../../../src/server/store/index.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
  await fixture.write(ada, insertSession('own'), insertSession('shared', { visibility: 'tenant' }))
  await fixture.write(ada, insertThread('own', 'long'), insertThread('shared', 'tree'))
  await fixture.write(ada, ...Array.from({ length: 450 }, (_, n) => insertMessage('long', `m${n}`)))
  await fixture.write(ada, ...['q', 'a', 'more'].map((id) => insertMessage('tree', id)))
  await fixture.write(bob, insertMessage('tree', 'edit', { parentId: 'q' }))
  await fixture.write(bob, insertMessage('tree', 'other', { parentId: null }))
  await fixture.write(ada, {
    collection: 'chatThreads',
    type: 'update',
    id: 'tree',
    changes: { headId: 'more' },
  })
})
afterAll(() => fixture.close())

const idsOf = (rows: readonly { readonly id: string }[] = []) => rows.map(({ id }) => id)

describe('readThread', () => {
  test('pages back through the branch that shows', async () => {
    const { store } = fixture
    const pages: string[][] = []
    for (let before: string | undefined; ; ) {
      const page = await store.readThread(ada, 'long', { last: 200, ...(before && { before }) })
      pages.unshift(idsOf(page?.messages))
      if (page?.before == null) break
      before = page.before
    }
    expect(pages.map((page) => page.length)).toEqual([50, 200, 200])
    expect(pages.flat()).toEqual(Array.from({ length: 450 }, (_, n) => `m${n}`))
  })

  test('reads another branch, with the alternatives of each message', async () => {
    const shown = await fixture.store.readThread(bob, 'tree')
    expect(idsOf(shown?.messages)).toEqual(['q', 'a', 'more'])
    expect(shown?.siblings).toEqual({ q: ['q', 'other'], a: ['a', 'edit'] })
    expect(shown?.thread).toMatchObject({ headId: 'more', messageCount: 5, lastPosition: 5 })
    const branch = await fixture.store.readThread(bob, 'tree', { branch: 'edit' })
    expect(idsOf(branch?.messages)).toEqual(['q', 'edit'])
    expect(branch?.before).toBeNull()
  })

  test('includes what an answer has streamed so far', async () => {
    await fixture.write(ada, insertThread('own', 'growing', { mode: 'general' }))
    await fixture.write(
      ada,
      insertMessage('growing', 'g', {
        content: '',
        status: 'streaming',
        metadata: { stream: { writer: 'w' } },
      }),
    )
    await fixture.write(ada, {
      collection: 'chatMessages',
      type: 'append',
      id: 'g',
      writer: 'w',
      seq: 0,
      deltas: [{ delta: 'Hello' }],
    })
    const page = await fixture.store.readThread(ada, 'growing')
    expect(page?.messages[0]).toMatchObject({ content: 'Hello', status: 'streaming' })
  })

  test('shows a thread to nobody who may not see its session', async () => {
    const { store } = fixture
    expect(await store.readThread(bob, 'long')).toBeUndefined()
    expect(await store.readThread(stranger, 'tree')).toBeUndefined()
    for await (const message of store.threadMessages(bob, 'long')) expect(message).toBeUndefined()
    expect(
      await refusalOf(store.readThread({ tenantId: '', userId: 'ada' }, 'long')),
    ).toMatchObject({
      code: 'unauthenticated',
    })
  })

  test('refuses a place that the thread does not have, and bad numbers', async () => {
    const { store } = fixture
    for (const request of [{ before: 'm1' }, { branch: 'm1' }]) {
      expect(await refusalOf(store.readThread(ada, 'tree', request))).toMatchObject({
        code: 'not_found',
      })
    }
    for (const last of [0, 1_001, 1.5]) {
      expect(await refusalOf(store.readThread(ada, 'tree', { last }))).toMatchObject({
        code: 'invalid',
      })
    }
  })
})

test('threadMessages yields a long branch from its first message on', async () => {
  const ids: string[] = []
  for await (const { id } of fixture.store.threadMessages(ada, 'long')) ids.push(id)
  expect(ids).toEqual(Array.from({ length: 450 }, (_, n) => `m${n}`))
})

describe('lists', () => {
  test('threads by their last activity, a page at a time, as far as they may be seen', async () => {
    await fixture.write(ada, insertSession('listed', { visibility: 'tenant' }))
    for (const id of ['l1', 'l2', 'l3']) {
      await fixture.write(ada, insertThread('listed', id, { status: 'archived' }))
    }
    await fixture.write(ada, insertMessage('l1', 'l1-a'))
    const first = await fixture.store.listThreads(bob, { sessionId: 'listed', limit: 2 })
    expect(idsOf(first.threads)).toEqual(['l1', 'l3'])
    const cursor = first.nextCursor ?? ''
    const rest = await fixture.store.listThreads(bob, { sessionId: 'listed', limit: 2, cursor })
    expect(idsOf(rest.threads)).toEqual(['l2'])
    expect(rest.nextCursor).toBeNull()
    expect(idsOf((await fixture.store.listThreads(bob)).threads)).not.toContain('long')
    expect((await fixture.store.listThreads(stranger)).threads).toEqual([])
    const active = await fixture.store.listThreads(bob, { sessionId: 'listed', status: 'active' })
    expect(active.threads).toEqual([])
  })

  test('sessions by their last change', async () => {
    const { sessions, nextCursor } = await fixture.store.listSessions(bob, { limit: 1 })
    const next = await fixture.store.listSessions(bob, { cursor: nextCursor ?? '' })
    const shown = [...idsOf(sessions), ...idsOf(next.sessions)]
    expect(shown.toSorted()).toEqual(['listed', 'shared'])
    expect(sessions[0]).not.toHaveProperty('audiences')
    expect((await fixture.store.listSessions(ada, { archived: true })).sessions).toEqual([])
    const refused = await refusalOf(fixture.store.listSessions(ada, { cursor: 'nonsense' }))
    expect(refused).toMatchObject({ code: 'invalid' })
  })
})

describe('forkThread', () => {
  test('copies a branch into a new thread', async () => {
    const { id } = await fixture.store.forkThread(bob, { threadId: 'tree', messageId: 'edit' })
    const page = await fixture.store.readThread(bob, id)
    expect(page?.thread).toMatchObject({
      createdBy: 'bob',
      title: 'Thread tree',
      status: 'active',
      messageCount: 2,
      headId: page?.messages.at(-1)?.id,
    })
    expect(page?.messages).toMatchObject([
      { authorId: 'ada', content: 'Message q', parentId: null, position: 1 },
      { authorId: 'bob', content: 'Message edit', parentId: page?.messages[0]?.id, position: 2 },
    ])
    expect((await fixture.store.readThread(bob, 'tree'))?.thread.status).toBe('archived')
  })

  test('is refused for what a principal may not see or add', async () => {
    const { store } = fixture
    const fork = { threadId: 'long', messageId: 'm3' }
    expect(await refusalOf(store.forkThread(bob, fork))).toMatchObject({ code: 'not_found' })
    await fixture.write(ada, {
      collection: 'sessionGrants',
      type: 'insert',
      value: { id: 'grant', sessionId: 'own', grantee: 'user:bob', role: 'viewer' },
    })
    expect(await refusalOf(store.forkThread(bob, fork))).toMatchObject({ code: 'forbidden' })
    const growing = { threadId: 'growing', messageId: 'g' }
    expect(await refusalOf(store.forkThread(ada, growing))).toMatchObject({ code: 'conflict' })
    const taken = { ...fork, id: 'tree' }
    expect(await refusalOf(store.forkThread(ada, taken))).toMatchObject({ code: 'conflict' })
    const limited = createSessionStore({ database: fixture.url, limits: { maxThreads: 1 } })
    onTestFinished(() => limited.close())
    expect(await refusalOf(limited.forkThread(ada, fork))).toMatchObject({
      code: 'too_large',
      details: { name: 'maxThreads' },
    })
  })
})
