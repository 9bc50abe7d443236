import { createLiveQueryCollection, eq } from '@tanstack/db'
import { setupServer } from 'msw/node'
import { expect, onTestFinished, test } from 'vitest'
import { createSessionCollections, type SessionDbError } from '../../../src/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'

test('docs/concepts.md', async () => {
  const electricUrl = 'http://app.test/api/shapes'
  const ann = { tenantId: 'acme', userId: 'ann' }
  const mock = createShapeMock({
    electricUrl,
    principal: ann,
    tables: { sessions: [{ id: 's1' }], chatThreads: [{ id: 't1', sessionId: 's1' }] },
  })
  const server = setupServer(...mock.handlers)
  server.listen()
  onTestFinished(() => server.close())
  const writeAdapter = createMemoryWriteAdapter(mock, { principal: ann })

  const db = createSessionCollections({ electricUrl, writeAdapter, identity: ann })

  db.sessions // every session that ann may see
  const { timeline, threads, messages } = db.session('s1') // what is in one of them
  const inThread = db.thread({ id: 't1', sessionId: 's1' }).messages // one thread's messages alone

  onTestFinished(() => db.cleanup())
  await Promise.all([messages.preload(), inThread.preload(), timeline.preload()])
  expect(db.thread({ id: 't1', sessionId: 's1' }).messages).toBe(inThread)

  const open = createLiveQueryCollection((q) =>
    q
      .from({ thread: threads })
      .where(({ thread }) => eq(thread.status, 'active'))
      .orderBy(({ thread }) => thread.updatedAt, 'desc'),
  )
  await open.preload()
  expect(open.size).toBe(1)
  await open.cleanup()

  const { id, batchId, committed } = db.actions.appendMessage({
    threadId: 't1',
    role: 'user',
    content: 'What changed here?',
  })
  messages.get(id)?.$synced // false: only this browser has it
  await committed // stored, and back through the stream: now it is true
  expect(messages.get(id)?.$synced).toBe(true)
  expect(inThread.get(id)?.content).toBe('What changed here?')
  expect((await committed).batchId).toBe(batchId)

  const rename = db.actions.renameThread('nobody-has-this', 'New title')
  const failure = await rename.committed.catch((error: SessionDbError) => error)
  expect(failure).toMatchObject({ code: 'not_found' })

  const status = db.status(db.sessions).get()
  expect(status.lastError).toBeNull()
})
