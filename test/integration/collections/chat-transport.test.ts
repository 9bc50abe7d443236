import * as ai7 from 'ai'
import { tool, type UIMessage } from 'ai'
import * as ai6 from 'ai6'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { siblingsOf, threadPath } from '../../../src/chat/thread-path.ts'
import { createChatTransport } from '../../../src/collections/index.ts'
import { toUIMessage } from '../../../src/schema/index.ts'
import { eventually } from '../../support/eventually.ts'
import { finished, modelSaying, said } from '../docs/model.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import {
  type Answer,
  answerWith,
  heldModel,
  removingModel,
  startThread as startStoredThread,
} from './chat-route.ts'
import { openAs } from './open-as.ts'

let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** The state of a chat, as `useChat` has it in React. */
function plainState(messages: UIMessage[]) {
  return {
    status: 'ready' as ai7.ChatStatus,
    error: undefined as Error | undefined,
    messages,
    pushMessage(message: UIMessage) {
      this.messages = [...this.messages, message]
    },
    popMessage() {
      this.messages = this.messages.slice(0, -1)
    },
    replaceMessage(index: number, message: UIMessage) {
      this.messages = this.messages.with(index, this.snapshot(message))
    },
    snapshot: <T>(thing: T): T => structuredClone(thing),
  }
}

class Chat extends ai7.AbstractChat<UIMessage> {}
class Chat6 extends (ai6.AbstractChat as unknown as typeof ai7.AbstractChat<UIMessage>) {}

/** Starts a thread, and opens chats of it. */
async function startThread(answer: Answer, user = 'acme/ann') {
  const started = await startStoredThread(app, answer, user)
  const { sessionId, threadId, route } = started
  /** Opens the chat in a window, with the stored messages, as an app does. */
  const openChat = async (
    options: Partial<ai7.ChatInit<UIMessage>> & { readonly stopOnAbort?: boolean } = {},
    ChatClass = Chat,
    as = user,
  ) => {
    const { stopOnAbort = true, ...init } = options
    const window = openAs(app, as)
    const { messages: rows } = window.thread({ id: threadId, sessionId }, { last: 50 })
    await rows.preload()
    const shown = threadPath([...rows.values()]).filter(({ status }) => status !== 'streaming')
    const messages = shown.map(toUIMessage) as unknown as UIMessage[]
    const transport = createChatTransport(window, { sessionId, url: route.url, stopOnAbort })
    const chat = new ChatClass({ id: threadId, transport, state: plainState(messages), ...init })
    return { chat, transport, rows, shown: () => threadPath([...rows.values()]) }
  }
  return { ...started, openChat }
}

/** A message without properties that are undefined, as JSON has it. */
const asJson = (value: unknown) => JSON.parse(JSON.stringify(value))

const textOf = (message: UIMessage | undefined) =>
  (message?.parts ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('')

describe.each([
  ['7', Chat],
  ['6', Chat6],
])('useChat of the AI SDK %s', (_, ChatClass) => {
  test('sends a message and reads the answer, which every window sees and the database keeps', async () => {
    const { openChat, stored } = await startThread(
      answerWith(modelSaying([...said('It is noon.'), finished('stop')])),
    )
    const [{ chat }, other] = [await openChat({}, ChatClass), await openChat()]
    await chat.sendMessage({ text: 'What is the time?' })
    expect(chat.error).toBeUndefined()
    expect(chat.status).toBe('ready')
    const [question, answer] = await stored()
    expect(question).toMatchObject({ role: 'user', content: 'What is the time?', parts: [] })
    expect(answer).toMatchObject({ role: 'assistant', parentId: question?.id, status: 'complete' })
    expect(chat.messages.map(({ id }) => id)).toEqual([question?.id, answer?.id])
    const parts = answer && toUIMessage(answer).parts
    expect(asJson(chat.messages[1]?.parts)).toEqual(parts)
    await eventually(() =>
      expect(other.shown().map(({ id }) => id)).toEqual([question?.id, answer?.id]),
    )
  })

  test('goes on reading an answer after a reload', async () => {
    const { model, release } = heldModel('It is ', 'noon.')
    const { openChat, stored } = await startThread(answerWith(model))
    const before = await openChat({}, ChatClass)
    const sent = before.chat.sendMessage({ text: 'What is the time?' })
    await eventually(() => expect(textOf(before.chat.lastMessage)).toBe('It is '))
    const { chat } = await openChat({}, ChatClass)
    expect(chat.messages).toHaveLength(1)
    const resumed = chat.resumeStream()
    await eventually(() => expect(textOf(chat.lastMessage)).toBe('It is '))
    release()
    await Promise.all([sent, resumed])
    const [, answer] = await stored()
    for (const window of [before.chat, chat]) {
      expect(window.messages).toHaveLength(2)
      expect(window.lastMessage?.id).toBe(answer?.id)
      expect(textOf(window.lastMessage)).toBe('It is noon.')
    }
    // There is nothing to resume any more.
    await chat.resumeStream()
    expect(chat.messages).toHaveLength(2)
  })

  test('stops an answer, which keeps its text, and goes on in the thread', async () => {
    const { model, wasAborted } = heldModel('It is ', 'noon.')
    const next = modelSaying([...said('Yes.'), finished('stop')])
    let asked = 0
    const { openChat, stored, errors } = await startThread((question) =>
      answerWith(asked++ === 0 ? model : next)(question),
    )
    const { chat } = await openChat({}, ChatClass)
    const sent = chat.sendMessage({ text: 'What is the time?' })
    await eventually(() => expect(textOf(chat.lastMessage)).toBe('It is '))
    await chat.stop()
    await sent
    expect(chat.status).toBe('ready')
    await eventually(async () => {
      const [, answer] = await stored()
      expect(answer).toMatchObject({ status: 'error', content: 'It is ' })
      expect(answer?.metadata).toMatchObject({ stream: { error: { code: 'aborted' } } })
    })
    await eventually(() => expect(wasAborted()).toBe(true))
    await chat.sendMessage({ text: 'Really?' })
    expect(textOf(chat.lastMessage)).toBe('Yes.')
    expect((await stored()).map(({ content }) => content)).toEqual([
      'What is the time?',
      'It is ',
      'Really?',
      'Yes.',
    ])
    expect(errors).toEqual([])
  })

  test('puts another answer and an edit beside the first', async () => {
    const { openChat, stored } = await startThread(
      answerWith(
        modelSaying(
          ...['One.', 'Two.', 'Three.', 'Four.'].map((text) => [...said(text), finished('stop')]),
        ),
      ),
    )
    const { chat, rows, shown } = await openChat({}, ChatClass)
    await chat.sendMessage({ text: 'First?' })
    const [question, first] = await stored()
    await chat.regenerate()
    expect(chat.messages).toHaveLength(2)
    expect(textOf(chat.lastMessage)).toBe('Two.')
    expect(chat.lastMessage?.id).not.toBe(first?.id)
    await chat.sendMessage({ text: 'Second?', messageId: question?.id ?? '' })
    expect(chat.messages.map(textOf)).toEqual(['Second?', 'Three.'])
    await eventually(() =>
      expect(shown().map(({ content }) => content)).toEqual(['Second?', 'Three.']),
    )
    const all = [...rows.values()]
    expect(siblingsOf(all, all.find(({ id }) => id === first?.id) as never).all).toHaveLength(2)
    expect(siblingsOf(all, all.find(({ id }) => id === question?.id) as never).all).toHaveLength(2)
    // The edited message has its own id from now on.
    await chat.regenerate()
    expect(textOf(chat.lastMessage)).toBe('Four.')
    const last = (await stored()).at(-1)
    expect(last?.parentId).toBe(shown().find(({ content }) => content === 'Second?')?.id)
  })
})

test('continues the same answer after an approval', async () => {
  const { answer, removed } = removingModel('Done.')
  const { openChat, stored } = await startThread(answer)
  const { chat } = await openChat({
    sendAutomaticallyWhen: ai7.lastAssistantMessageIsCompleteWithApprovalResponses,
  })
  await chat.sendMessage({ text: 'Remove a' })
  const part = chat.lastMessage?.parts.find(({ type }) => type === 'tool-remove')
  expect(part).toMatchObject({ state: 'approval-requested' })
  expect(removed).toEqual([])

  // Also after a reload.
  const { chat: again } = await openChat({
    sendAutomaticallyWhen: ai7.lastAssistantMessageIsCompleteWithApprovalResponses,
  })
  const { id } = Object(Object(part).approval)
  await again.addToolApprovalResponse({ id, approved: true })
  await eventually(() => expect(textOf(again.lastMessage)).toBe('Done.'))
  await eventually(() => expect(again.status).toBe('ready'))
  expect(again.error).toBeUndefined()
  expect(removed).toEqual(['a'])
  const messages = await stored()
  expect(messages).toHaveLength(2)
  expect(messages[1]).toMatchObject({ id: chat.lastMessage?.id, status: 'complete' })
  expect(asJson(again.lastMessage?.parts)).toEqual(messages[1]?.parts)
  const tools1 = messages[1]?.parts.filter((p) => Object(p).type === 'tool-remove')
  expect(tools1).toMatchObject([{ state: 'output-available', output: 'removed a' }])
})

test('enters the result of a tool in the browser', async () => {
  const tools = { where: tool({ inputSchema: z.object({}) }) }
  const model = modelSaying(
    [
      { type: 'tool-call', toolCallId: 'c1', toolName: 'where', input: '{}' },
      finished('tool-calls'),
    ],
    [...said('In Bern.'), finished('stop')],
  )
  const { openChat, stored } = await startThread(answerWith(model, { tools }))
  const { chat } = await openChat({
    sendAutomaticallyWhen: ai7.lastAssistantMessageIsCompleteWithToolCalls,
    onToolCall: ({ toolCall }) => {
      void chat.addToolOutput({
        tool: 'where' as never,
        toolCallId: toolCall.toolCallId,
        output: 'Bern\u0000' as never,
      })
    },
  })
  await chat.sendMessage({ text: 'Where am I?' })
  await eventually(() => expect(textOf(chat.lastMessage)).toBe('In Bern.'))
  const [, answer] = await stored()
  expect(answer?.parts).toMatchObject([
    { type: 'step-start' },
    { type: 'tool-where', state: 'output-available', output: 'Bern\uFFFD' },
    { type: 'step-start' },
    { type: 'text', text: 'In Bern.' },
  ])
  expect(model.doStreamCalls[1]?.prompt.at(-1)).toMatchObject({ role: 'tool' })
})

test.each([
  ['Anthropic', 'reasoning', { anthropic: { signature: 'sig' } }],
  ['Gemini', 'tool-call', { google: { thoughtSignature: 'sig' } }],
  ['OpenAI', 'text', { openai: { itemId: 'msg_1' } }],
])('hands the signatures of %s back to the model', async (_, place, providerMetadata) => {
  const tools = { now: tool({ inputSchema: z.object({}), execute: async () => 'noon' }) }
  const reasoning = [
    { type: 'reasoning-start', id: 'r' },
    { type: 'reasoning-delta', id: 'r', delta: 'Hm.' },
    { type: 'reasoning-end', id: 'r', providerMetadata },
  ]
  const call = {
    type: 'tool-call',
    toolCallId: 'c1',
    toolName: 'now',
    input: '{}',
    providerMetadata,
  }
  const text = said('Noon.').map((chunk) => ({ ...chunk, providerMetadata }))
  const chunks = { reasoning, 'tool-call': [call], text }[place] ?? []
  const model = modelSaying(
    [...chunks, finished(place === 'tool-call' ? 'tool-calls' : 'stop')],
    [...said('Yes.'), finished('stop')],
    [...said('Yes.'), finished('stop')],
  )
  const { openChat } = await startThread(answerWith(model, { tools }))
  const { chat } = await openChat()
  await chat.sendMessage({ text: 'What is the time?' })
  const given = chat.lastMessage?.parts.map((part) => Object(part))
  expect(
    given?.some(
      (part) =>
        JSON.stringify(part.providerMetadata ?? part.callProviderMetadata) ===
        JSON.stringify(providerMetadata),
    ),
  ).toBe(true)
  await chat.sendMessage({ text: 'Sure?' })
  const prompt = model.doStreamCalls.at(-1)?.prompt ?? []
  expect(JSON.stringify(prompt)).toContain(JSON.stringify(providerMetadata))
})

test('goes on after the chat has stopped reading, with stopOnAbort: false', async () => {
  const { model, release } = heldModel('It is ', 'noon.')
  const { openChat, stored } = await startThread(answerWith(model))
  const { chat, transport } = await openChat({ stopOnAbort: false })
  const sent = chat.sendMessage({ text: 'What is the time?' })
  await eventually(() => expect(textOf(chat.lastMessage)).toBe('It is '))
  await chat.stop()
  await sent
  release()
  await eventually(async () =>
    expect((await stored())[1]).toMatchObject({ status: 'complete', content: 'It is noon.' }),
  )
  // Nothing is running.
  await transport.stop(chat.id)
})

test('reading again before the first reading has ended is no stop', async () => {
  const { model, release } = heldModel('It is ', 'noon.')
  const { openChat, stored } = await startThread(answerWith(model))
  const [{ chat }, { transport }] = [await openChat(), await openChat()]
  const sent = chat.sendMessage({ text: 'What is the time?' })
  await eventually(() => expect(textOf(chat.lastMessage)).toBe('It is '))
  const options = { chatId: chat.id, metadata: undefined, headers: undefined, body: undefined }
  await eventually(async () => {
    const stream = await transport.reconnectToStream({ ...options })
    expect(stream).not.toBeNull()
    await stream?.cancel()
  })
  // As when React mounts a component twice.
  const unmounted = new AbortController()
  const first = transport.reconnectToStream({ ...options, abortSignal: unmounted.signal })
  const second = transport.reconnectToStream(options)
  unmounted.abort()
  expect(await first).not.toBeNull()
  expect(await second).not.toBeNull()
  // Longer than a chat has to come back.
  await new Promise((resolve) => setTimeout(resolve, 300))
  release()
  await sent
  expect((await stored())[1]).toMatchObject({ status: 'complete', content: 'It is noon.' })
})

test('another window that stops an answer ends it everywhere', async () => {
  const { model } = heldModel('It is ', 'noon.')
  const { openChat, stored } = await startThread(answerWith(model))
  const [{ chat }, { transport }] = [await openChat(), await openChat()]
  const sent = chat.sendMessage({ text: 'What is the time?' })
  await eventually(() => expect(textOf(chat.lastMessage)).toBe('It is '))
  await transport.stop(chat.id)
  await sent
  expect(chat.status).toBe('ready')
  expect(chat.error).toBeUndefined()
  expect((await stored())[1]).toMatchObject({ status: 'error' })
})

test('reports a failed answer, and asks again with regenerate', async () => {
  let asked = 0
  const { openChat, stored, errors } = await startThread((question) => {
    asked += 1
    if (asked === 1) throw new Error('secret of the server')
    return answerWith(modelSaying([...said('Here.'), finished('stop')]))(question)
  })
  const { chat } = await openChat()
  await chat.sendMessage({ text: 'Hello?' })
  expect(chat.status).toBe('error')
  expect(chat.error?.message).toBe('The answer could not be completed.')
  expect(errors).toMatchObject([{ message: 'secret of the server' }])
  await chat.regenerate()
  expect(textOf(chat.lastMessage)).toBe('Here.')
  expect(await stored()).toHaveLength(2)
})

test('refuses those who may not see or change the thread, and changes of what is stored', async () => {
  const model = modelSaying([...said('It is noon.'), finished('stop')])
  const { openChat, db, sessionId, threadId, stored, route } = await startThread(answerWith(model))
  const { chat } = await openChat()
  await chat.sendMessage({ text: 'What is the time?' })
  const [question, answer] = await stored()

  const ask = (user: string, request: object) =>
    fetch(route.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [USER_HEADER]: user },
      body: JSON.stringify(request),
    })
  const again = { type: 'answer', threadId, messageId: question?.id }
  const forged = {
    type: 'continue',
    threadId,
    messageId: question?.id,
    decisions: [],
    results: [{ toolCallId: 'c1', output: 'forged' }],
  }
  for (const user of ['acme/bob', 'globex/eve']) {
    expect((await ask(user, again)).status).toBe(404)
    expect((await ask(user, { type: 'stop', messageId: answer?.id })).status).toBe(404)
  }
  await db.actions.shareSession(sessionId, 'user:bob', 'viewer').committed
  expect((await ask('acme/bob', again)).status).toBe(403)
  expect((await ask('acme/ann', forged)).status).toBe(400)
  expect((await ask('acme/ann', { ...again, parts: [] })).status).toBe(400)
  expect((await fetch(route.url)).status).toBe(405)
  expect(await stored()).toEqual([question, answer])
  expect(model.doStreamCalls).toHaveLength(1)
})

test('two approvals of the same call run it once', async () => {
  let runs = 0
  const tools = {
    remove: tool({
      inputSchema: z.object({}),
      execute: async () => {
        runs += 1
        return 'removed'
      },
    }),
  }
  const model = modelSaying(
    [
      { type: 'tool-call', toolCallId: 'c1', toolName: 'remove', input: '{}' },
      finished('tool-calls'),
    ],
    [...said('Done.'), finished('stop')],
    [...said('Done.'), finished('stop')],
  )
  const more = { tools, toolApproval: { remove: 'user-approval' } }
  const { openChat } = await startThread(answerWith(model, more))
  const { chat: one } = await openChat()
  await one.sendMessage({ text: 'Remove it' })
  const { chat: two } = await openChat()
  const part = Object(one.lastMessage?.parts.find(({ type }) => type === 'tool-remove'))
  for (const chat of [one, two]) {
    await chat.addToolApprovalResponse({ id: part.approval.id, approved: true })
  }
  await Promise.all([one.sendMessage(), two.sendMessage()])
  expect(runs).toBe(1)
  expect([one.error, two.error].filter((error) => error !== undefined)).toMatchObject([
    { code: 'conflict' },
  ])
})
