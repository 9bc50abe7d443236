import { convertToModelMessages, streamText } from 'ai'
import { Pool } from 'pg'
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
let pool: Pool

beforeAll(async () => {
  app = await startAppServer()
  pool = new Pool({ connectionString: app.databaseUrl })
  store = createSessionStore({ database: pool })
})
afterAll(async () => {
  await store.close()
  await pool.end()
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

  async function historyOf({ tenantId, userId }: Principal, threadId: string) {
    const { rows } = await pool.query<{ id: string }>(
      'SELECT id FROM chat_messages WHERE tenant_id = $1 AND thread_id = $2 ORDER BY position',
      [tenantId, threadId],
    )
    const read = rows.map(({ id }) => store.readMessage({ tenantId, userId }, id))
    return (await Promise.all(read)).filter((message) => message !== undefined)
  }

  async function ask(content: string): Promise<void> {
    await db.actions.appendMessage({ threadId, role: 'user', content }).committed
  }

  await ask('What is the time?')
  const eve = app.principal('globex/eve')
  expect(await historyOf(eve, threadId)).toEqual([])
  const answered = await answer(ann, threadId, await historyOf(ann, threadId))
  expect(model.doStreamCalls[0]?.prompt).toEqual([
    { role: 'user', content: [{ type: 'text', text: 'What is the time?' }] },
  ])
  expect(await store.readMessage(ann, answered)).toMatchObject({
    content: 'It is noon.',
    status: 'complete',
  })
})
