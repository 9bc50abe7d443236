import { convertToModelMessages, streamText, type UIMessage } from 'ai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createId } from '../../../../src/collections/index.ts'
import { type ChatMessage, type Principal, toUIMessage } from '../../../../src/schema/index.ts'
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
    const messages = await convertToModelMessages(history.map(toUIMessage) as UIMessage[])
    const result = streamText({ model, messages })
    const stream = await streamMessage(store, principal, { threadId, role: 'assistant' })
    await stream.pipe(result.toUIMessageStream())
    return stream.id
  }

  async function historyOf(principal: Principal, ids: readonly string[]): Promise<ChatMessage[]> {
    const messages = await Promise.all(ids.map((id) => store.readMessage(principal, id)))
    return messages.filter((message) => message !== undefined)
  }

  async function ask(content: string): Promise<string[]> {
    const { messages } = db.thread({ id: threadId, sessionId })
    await messages.preload()
    const question = db.actions.appendMessage({ threadId, role: 'user', content })
    await question.committed
    return messages.toArray.sort((a, b) => a.position - b.position).map(({ id }) => id)
  }

  const ids = await ask('What is the time?')
  const eve = app.principal('globex/eve')
  expect(await historyOf(eve, ids)).toEqual([])
  const answered = await answer(ann, threadId, await historyOf(ann, ids))
  expect(model.doStreamCalls[0]?.prompt).toEqual([
    { role: 'user', content: [{ type: 'text', text: 'What is the time?' }] },
  ])
  expect(await store.readMessage(ann, answered)).toMatchObject({
    content: 'It is noon.',
    status: 'complete',
  })
})
