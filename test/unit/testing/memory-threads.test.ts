import { expect, test } from 'vitest'
import { createMemorySessionStore } from '../../../src/testing/memory-session-store.ts'
import { createShapeMock, defaultPrincipal } from '../../../src/testing/shape-mock.ts'
import type { MutationInput } from '../../../src/writes/index.ts'

test('the store in memory keeps and reads branches as the database does', async () => {
  const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes' })
  const store = createMemorySessionStore(mock)
  let batches = 0
  const write = (...mutations: MutationInput[]) => {
    batches += 1
    return store.write(defaultPrincipal, { id: `b${batches}`, mutations })
  }
  const insert = (id: string, parentId?: string): MutationInput => ({
    collection: 'chatMessages',
    type: 'insert',
    value: { id, threadId: 't', role: 'user', content: id, ...(parentId && { parentId }) },
  })
  await write(
    { collection: 'sessions', type: 'insert', value: { id: 's', title: 'S' } },
    {
      collection: 'chatThreads',
      type: 'insert',
      value: { id: 't', sessionId: 's', mode: 'session', title: 'T' },
    },
  )
  await write(insert('q'), insert('a'), insert('more'))
  await write(insert('edit', 'q'))
  const read = async (branch?: string) => {
    const page = await store.readThread(defaultPrincipal, 't', branch ? { branch } : {})
    return page?.messages.map(({ id }) => id)
  }
  expect(await read()).toEqual(['q', 'edit'])
  expect(await read('more')).toEqual(['q', 'a', 'more'])
  const page = await store.readThread(defaultPrincipal, 't', { last: 1, before: 'more' })
  expect(page).toMatchObject({
    messages: [{ id: 'a' }],
    siblings: { a: ['a', 'edit'] },
    before: 'a',
  })
  await write({ collection: 'chatMessages', type: 'delete', id: 'edit' })
  await write({ collection: 'chatMessages', type: 'delete', id: 'a' })
  expect(await read('more')).toEqual(['q', 'more'])
  expect(await read()).toEqual(['q'])
  await expect(write(insert('new', 'edit'))).rejects.toMatchObject({ code: 'not_found' })
})
