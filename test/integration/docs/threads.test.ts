import { afterAll, beforeAll, expect, test } from 'vitest'
import { branchEnd, siblingsOf, threadPath } from '../../../src/chat/thread-path.ts'
import { createId } from '../../../src/collections/index.ts'
import type { SessionStore } from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer } from '../collections/app-server.ts'
import { openAs } from '../collections/open-as.ts'

let app: AppServer
let store: SessionStore

beforeAll(async () => {
  app = await startAppServer()
  store = app.store
})
afterAll(() => app.close())

test('docs/threads.md', async () => {
  const db = openAs(app, 'acme/ann')
  const principal = app.principal('acme/ann')
  const { id: sessionId } = db.actions.createSession({ title: 'S' })
  const threadId = createId()
  const scope = db.session(sessionId)
  await Promise.all([scope.threads.preload(), scope.messages.preload()])
  db.actions.createThread({ id: threadId, sessionId, mode: 'session', title: 'T' })
  const { id: questionId } = db.actions.appendMessage({ threadId, role: 'user', content: 'Q' })
  const { id: moreId, committed } = db.actions.appendMessage({
    threadId,
    role: 'user',
    content: 'More',
  })
  const written = [...scope.messages.values()]
  // Before the server has answered, too.
  expect(
    threadPath(written, scope.threads.get(threadId)?.headId).map(({ content }) => content),
  ).toEqual(['Q', 'More'])
  await committed
  await eventually(() => expect(scope.threads.get(threadId)?.headId).toBe(moreId))
  const messages = [...scope.messages.values()]
  const thread = scope.threads.get(threadId)
  const question = scope.messages.get(questionId)
  if (thread === undefined || question === undefined) throw new Error('They are shown')

  const shown = threadPath(messages, thread.headId)
  const { all, index } = siblingsOf(messages, question)
  const label = `${index + 1} / ${all.length}`
  expect(shown.map(({ content }) => content)).toEqual(['Q', 'More'])
  expect(label).toBe('1 / 1')

  await db.actions.editMessage(question, { content: 'A better question' }).committed
  const edited = threadPath([...scope.messages.values()], scope.threads.get(threadId)?.headId)
  expect(edited.map(({ content }) => content)).toEqual(['A better question'])

  await db.actions.switchBranch(thread.id, branchEnd(messages, question).id).committed
  await eventually(() => {
    const path = threadPath([...scope.messages.values()], scope.threads.get(threadId)?.headId)
    expect(path.map(({ content }) => content)).toEqual(['Q', 'More'])
  })

  const page = await store.readThread(principal, threadId, { last: 50 })
  const older =
    page?.before && (await store.readThread(principal, threadId, { before: page.before }))
  expect(page?.messages).toHaveLength(2)
  expect(older).toBeNull()

  const lines: string[] = []
  for await (const message of store.threadMessages(principal, threadId)) {
    lines.push(`${message.role}: ${message.content}`)
  }
  expect(lines).toEqual(['user: Q', 'user: More'])

  const messageId = questionId
  const window = db.thread({ id: threadId, sessionId }, { last: 50 })
  await window.messages.preload()
  const added = await window.loadOlder()
  const found = await window.loadMessage(messageId)
  const firstOfMay = await window.loadMessageAt(new Date('2026-05-01'))
  const { total, loaded, hasOlder } = window.state.get()
  expect({ added, total, loaded, hasOlder }).toEqual({
    added: 0,
    total: 3,
    loaded: 3,
    hasOlder: false,
  })
  expect(found?.content).toBe('Q')
  expect(firstOfMay?.content).toBe('Q')

  const { threads } = await store.listThreads(principal, { sessionId, limit: 20 })
  const { id } = await store.forkThread(principal, { threadId, messageId, title: 'Another try' })
  expect(threads).toMatchObject([{ id: threadId }])
  expect((await store.readThread(principal, id))?.thread.title).toBe('Another try')
})
