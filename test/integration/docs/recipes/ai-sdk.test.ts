import { convertToModelMessages, streamText } from 'ai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toModelMessages } from '../../../../src/chat/model-messages.ts'
import { createId } from '../../../../src/collections/index.ts'
import type { ChatMessage, Principal } from '../../../../src/schema/index.ts'
import {
  createSessionStore,
  type SessionStore,
  streamMessage,
} from '../../../../src/server/index.ts'
import { type AppServer, startAppServer } from '../../collections/app-server.ts'
import { openAs } from '../../collections/open-as.ts'
import { finished, modelSaying, said } from '../model.ts'

let app: AppServer
let store: SessionStore

beforeAll(async () => {
  app = await startAppServer()
  store = createSessionStore({ database: app.databaseUrl })
})
afterAll(async () => {
  await store.close()
  await app.close()
})

test('docs/recipes/ai-sdk.md', async () => {
  const model = modelSaying([...said('It is noon.'), finished('stop')])
  const ann = app.principal('acme/ann')
  const db = openAs(app, 'acme/ann')
  const { id: sessionId } = db.actions.createSession({ title: 'S' })
  const threadId = createId()
  await db.actions.createThread({ id: threadId, sessionId, mode: 'session', title: 'T' }).committed

  async function answer(principal: Principal, threadId: string, history: readonly ChatMessage[]) {
    const messages = await toModelMessages(history, convertToModelMessages)
    const result = streamText({ model, messages })
    const stream = await streamMessage(store, principal, { threadId, role: 'assistant' })
    await stream.pipe(result.toUIMessageStream())
    return stream.id
  }

  async function historyOf(principal: Principal, threadId: string, questionId: string) {
    const page = await store.readThread(principal, threadId, { branch: questionId, last: 200 })
    return page?.messages ?? []
  }

  async function ask(content: string): Promise<void> {
    await db.actions.appendMessage({ threadId, role: 'user', content }).committed
  }

  await ask('What is the time?')
  const { threads: listed } = await store.listThreads(ann)
  const questionId = listed[0]?.headId ?? ''
  const eve = app.principal('globex/eve')
  expect(await historyOf(eve, threadId, questionId)).toEqual([])
  const answered = await answer(ann, threadId, await historyOf(ann, threadId, questionId))
  expect(model.doStreamCalls[0]?.prompt).toEqual([
    { role: 'user', content: [{ type: 'text', text: 'What is the time?' }] },
  ])
  expect(await store.readMessage(ann, answered)).toMatchObject({
    content: 'It is noon.',
    status: 'complete',
  })
})
