import { createTransaction } from '@tanstack/db'
import { expect, test, vi } from 'vitest'
import type { MutationHandlers } from '../../../src/collections/index.ts'
import { openMock } from '../../unit/testing/support/open-mock.ts'

test('docs/writes.md: mutations of TanStack DB', async () => {
  const log = vi.fn()
  const { mock, open } = openMock({
    tables: {
      sessions: [{ id: 's1', title: 'Fix the login' }],
      chatThreads: [{ id: 't1', sessionId: 's1' }],
    },
  })
  const handlers: MutationHandlers = {
    chatMessages: {
      async onInsert({ transaction, next }) {
        await next()
        log(`${transaction.mutations.length} sent`)
      },
    },
  }
  const db = open({ handlers })
  await db.sessions.preload()
  await db.thread({ id: 't1', sessionId: 's1' }).messages.preload()

  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  const insert = messages.insert({ role: 'user', content: 'And now?' })
  await insert.isPersisted.promise

  db.sessions.update('s1', (draft) => {
    draft.title = 'Fix the sign-in'
  })
  await expect.poll(() => mock.rows('sessions')[0]?.title).toBe('Fix the sign-in')

  expect(messages.toArray).toMatchObject([{ content: 'And now?', position: 1 }])
  expect(log).toHaveBeenCalledWith('1 sent')
  const plain = open()
  {
    const db = plain
    const transaction = createTransaction({ mutationFn: db.mutationFn })
    transaction.mutate(() => {
      db.session('s1').threads.insert({ id: 't2', mode: 'session', title: 'Second' })
      db.thread({ id: 't2', sessionId: 's1' }).messages.insert({ role: 'user', content: 'Hello' })
    })
    await transaction.isPersisted.promise
  }
  expect(mock.rows('chatMessages').map(({ content }) => content)).toEqual(['And now?', 'Hello'])
})
