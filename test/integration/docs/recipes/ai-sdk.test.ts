import { AbstractChat, convertToModelMessages, streamText, type UIMessage } from 'ai'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { toModelMessages } from '../../../../src/chat/model-messages.ts'
import { threadPath } from '../../../../src/chat/thread-path.ts'
import { createChatTransport, createId } from '../../../../src/collections/index.ts'
import { type Principal, toUIMessage } from '../../../../src/schema/index.ts'
import { streamMessage } from '../../../../src/server/index.ts'
import { serve } from '../../../unit/proxy/serve.ts'
import { openAs } from '../../collections/open-as.ts'
import { serveChat } from './ai-sdk/chat.server.ts'
import { app, model, store } from './ai-sdk/session-db.server.ts'

afterAll(async () => {
  await store.close()
  await app.close()
})

test('docs/recipes/ai-sdk.md', async () => {
  const ann = app.principal('acme/ann')
  const route = await serve(serveChat)
  onTestFinished(() => route.close())
  const db = openAs(app, 'acme/ann')
  const { id: sessionId } = db.actions.createSession({ title: 'S' })
  const threadId = createId()
  await db.actions.createThread({ id: threadId, sessionId, mode: 'session', title: 'T' }).committed

  async function answer(principal: Principal, threadId: string, questionId: string) {
    const page = await store.readThread(principal, threadId, { branch: questionId, last: 200 })
    const messages = await toModelMessages(page?.messages ?? [], convertToModelMessages)
    const result = streamText({ model, messages })
    const stream = await streamMessage(store, principal, {
      threadId,
      role: 'assistant',
      parentId: questionId,
    })
    await stream.pipe(result.toUIMessageStream())
    return stream.id
  }

  async function ask(content: string): Promise<void> {
    await db.actions.appendMessage({ threadId, role: 'user', content }).committed
  }

  await ask('What is the time?')
  const { threads: listed } = await store.listThreads(ann)
  const questionId = listed[0]?.headId ?? ''
  await expect(answer(app.principal('globex/eve'), threadId, questionId)).rejects.toThrow()
  const answered = await answer(ann, threadId, questionId)
  expect(model.doStreamCalls[0]?.prompt).toEqual([
    { role: 'user', content: [{ type: 'text', text: 'What is the time?' }] },
  ])
  expect(await store.readMessage(ann, answered)).toMatchObject({
    content: 'It is noon.',
    status: 'complete',
  })

  const { messages: rows } = db.thread({ id: threadId, sessionId })
  await rows.preload()
  const shown = threadPath([...rows.values()]).filter(({ status }) => status !== 'streaming')
  const messages = shown.map(toUIMessage) as UIMessage[]
  const transport = createChatTransport(db, { sessionId })
  const options = { id: threadId, messages, transport, resume: true }
  expect(options.messages).toHaveLength(2)
  const state = {
    status: 'ready' as const,
    error: undefined,
    messages,
    pushMessage: (message: UIMessage) => void state.messages.push(message),
    popMessage: () => void state.messages.pop(),
    replaceMessage: (index: number, message: UIMessage) => {
      state.messages[index] = message
    },
    snapshot: <T>(thing: T): T => structuredClone(thing),
  }
  class Chat extends AbstractChat<UIMessage> {}
  const chat = new Chat({
    id: threadId,
    transport: createChatTransport(db, { sessionId, url: route.url }),
    state,
  })
  await chat.sendMessage({ text: 'Sure?' })
  expect(chat.lastMessage?.parts).toMatchObject([{ type: 'step-start' }, { text: 'Yes.' }])
  expect(model.doStreamCalls[1]?.prompt).toHaveLength(3)
})
