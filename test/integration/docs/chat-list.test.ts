import { createLiveQueryCollection, eq } from '@tanstack/db'
import { convertToModelMessages, generateText, streamText } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toModelMessages } from '../../../src/chat/model-messages.ts'
import { chatList, createId, messageFeedback, unreadCount } from '../../../src/collections/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { type SessionStore, streamMessage } from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer } from '../collections/app-server.ts'
import { openAs } from '../collections/open-as.ts'
import { finished, modelSaying, said } from './model.ts'

let app: AppServer
let store: SessionStore

beforeAll(async () => {
  app = await startAppServer()
  store = app.store
})
afterAll(() => app.close())

async function givenThread() {
  const db = openAs(app, 'acme/ann')
  const principal = app.principal('acme/ann')
  const sessionId = createId()
  const threadId = createId()
  await db.actions.createSession({ id: sessionId, title: 'S' }).committed
  await db.actions.createThread({ id: threadId, sessionId, mode: 'session', title: 'T' }).committed
  const question = db.actions.appendMessage({ threadId, role: 'user', content: 'Why?' })
  await question.committed
  return { db, principal, sessionId, threadId, messageId: question.id }
}

test('docs/chat-list.md: the sidebar', async () => {
  const { db, threadId } = await givenThread()

  const { threads, states, markRead, pin } = chatList(db)

  const chats = createLiveQueryCollection((q) =>
    q
      .from({ thread: threads })
      .leftJoin({ state: states }, ({ thread, state }) => eq(thread.id, state.threadId))
      .orderBy(({ thread }) => thread.lastMessageAt, 'desc')
      .select(({ thread, state }) => ({ thread, state })),
  )
  await chats.preload()
  const lines = () =>
    chats.toArray.map(({ thread, state }) => `${thread.title} (${unreadCount(thread, state)})`)
  expect(lines()).toEqual(['T (1)'])

  const thread = threads.get(threadId)
  if (thread) markRead(thread)
  if (thread) await pin(thread).committed

  await eventually(() => expect(lines()).toEqual(['T (0)']))
  expect(chats.toArray[0]?.state?.pinnedAt).toBeInstanceOf(Date)
  await chats.cleanup()
})

test('docs/chat-list.md: titles from a model', async () => {
  const { principal, threadId } = await givenThread()
  const model = new MockLanguageModelV4({
    doGenerate: {
      content: [{ type: 'text', text: ' A question of reasons ' }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: {
        inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 1, text: 1, reasoning: 0 },
      },
      warnings: [],
    },
  })

  async function titleThread(principal: Principal, threadId: string) {
    const page = await store.readThread(principal, threadId, { last: 4 })
    if (page === undefined) return
    const { text } = await generateText({
      model,
      system: 'Summarise this conversation in at most six words, without quotes.',
      messages: await toModelMessages(page.messages, convertToModelMessages),
    })
    await store.suggestTitle(principal, { threadId, title: text.trim().slice(0, 100) || 'Chat' })
  }

  await titleThread(principal, threadId)
  const page = await store.readThread(principal, threadId)
  expect(page?.thread.title).toBe('A question of reasons')
})

test('docs/chat-list.md: feedback', async () => {
  const { db, principal, sessionId, messageId } = await givenThread()
  await messageFeedback(db, sessionId).feedback.preload()
  {
    const { feedback, rate } = messageFeedback(db, sessionId)
    await rate(messageId, { rating: 'down', comment: 'It left out the second question.' }).committed
    const mine = feedback.get(messageId)?.rating
    expect(mine).toBe('down')
  }

  const { feedback } = await store.readFeedback(principal, { sessionId, rating: 'down' })
  expect(feedback).toMatchObject([{ messageId, comment: 'It left out the second question.' }])
})

test('docs/chat-list.md: usage', async () => {
  const { principal, sessionId, threadId, messageId } = await givenThread()
  const model = modelSaying([...said('It is noon.'), finished('stop')])

  async function answer(principal: Principal, threadId: string, prompt: string) {
    const result = streamText({ model, prompt })
    const stream = await streamMessage(store, principal, { threadId, role: 'assistant' })
    await stream.pipe(
      result.toUIMessageStream({
        messageMetadata: ({ part }) =>
          part.type === 'finish'
            ? { usage: part.totalUsage, model: 'small', cost: 0.002 }
            : undefined,
      }),
    )
  }

  await answer(principal, threadId, 'What is the time?')

  await store.recordUsage(principal, {
    messageId,
    callId: 'response-1',
    inputTokens: 1200,
    outputTokens: 80,
  })
  const months = await store.readUsage(principal, { by: 'month', userId: principal.userId })
  const perThread = await store.readUsage(principal, {
    by: 'thread',
    sessionId,
    from: new Date('2026-11-01'),
  })

  expect(months).toMatchObject([{ calls: 2, inputTokens: 1_201, cost: 0.002 }])
  expect(perThread).toMatchObject([{ key: threadId, outputTokens: 81 }])
})
