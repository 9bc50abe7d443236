import { expect, test } from 'vitest'
import { chatList, messageFeedback, unreadCount } from '../../../src/collections/index.ts'
import { createMemorySessionStore, createMemoryWriteAdapter } from '../../../src/testing/index.ts'
import { eventually } from '../../support/eventually.ts'
import { ann, openMock } from './support/open-mock.ts'

const bob = { ...ann, userId: 'bob' }

function given() {
  return openMock({
    tables: {
      sessions: [{ id: 's1', title: 'S' }],
      chatThreads: [{ id: 't1', sessionId: 's1', title: 'T' }],
      chatMessages: [{ id: 'm1', threadId: 't1', content: 'first' }],
    },
  })
}

test('the mock serves the list of chats, states and feedback', async () => {
  const { mock, open } = given()
  const db = open({ writeAdapter: createMemoryWriteAdapter(mock, { principal: ann }) })
  const list = chatList(db)
  const { feedback, rate } = messageFeedback(db, 's1')
  await Promise.all([list.threads.preload(), list.states.preload(), feedback.preload()])
  const thread = list.threads.get('t1')
  expect(thread && unreadCount(thread, list.states.get('t1'))).toBe(1)
  if (thread) list.markRead(thread)
  await list.pin({ id: 't1', sessionId: 's1' }).committed
  await rate('m1', { rating: 'up' }).committed
  await eventually(() =>
    expect(list.states.get('t1')).toMatchObject({ readPosition: 1, version: 2, userId: 'ann' }),
  )
  expect(feedback.get('m1')).toMatchObject({ rating: 'up', version: 1 })
  await db.actions.deleteThread('t1').committed
  await eventually(() => expect([list.states.size, feedback.size]).toEqual([0, 0]))
  const refused = createMemoryWriteAdapter(mock, { principal: bob })
  const mutations = [
    { collection: 'threadStates', type: 'set', id: 't1', changes: { pinned: true } } as const,
  ]
  expect(await refused({ id: 'b', mutations })).toMatchObject({ error: { code: 'not_found' } })
})

test('the store in memory suggests titles and sums usage as the one in Postgres', async () => {
  const { mock } = given()
  const store = createMemorySessionStore(mock)
  const suggest = (title: string) => store.suggestTitle(ann, { threadId: 't1', title })
  expect(await suggest('Generated')).toBe(true)
  await store.write(ann, {
    id: 'b1',
    mutations: [{ collection: 'chatThreads', type: 'update', id: 't1', changes: { title: 'Own' } }],
  })
  expect(await suggest('Too late')).toBe(false)
  expect((await store.readThread(ann, 't1'))?.thread.title).toBe('Own')
  await expect(store.suggestTitle(bob, { threadId: 't1', title: 'Mine' })).rejects.toMatchObject({
    code: 'not_found',
  })
  const call = { messageId: 'm1', callId: '1', inputTokens: 3, cost: 0.5 }
  expect(await store.recordUsage(ann, call)).toBe(true)
  expect(await store.recordUsage(ann, call)).toBe(false)
  expect(await store.readUsage(ann, { by: 'thread' })).toEqual([
    {
      key: 't1',
      calls: 1,
      inputTokens: 3,
      outputTokens: 0,
      cachedTokens: 0,
      reasoningTokens: 0,
      durationMs: 0,
      cost: 0.5,
    },
  ])
  expect(await store.readUsage(bob, { by: 'thread' })).toEqual([])
})
