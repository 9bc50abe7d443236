import '../../support/page.ts'
import {
  type AssistantRuntime,
  AssistantRuntimeProvider,
  type ChatModelAdapter,
  ExportedMessageRepository,
  type RemoteThreadListAdapter,
  type ThreadHistoryAdapter,
  type ThreadMessageLike,
  useAui,
  useLocalRuntime,
  useRemoteThreadListRuntime,
} from '@assistant-ui/react'
import { cleanup, render } from '@testing-library/react'
import { convertToModelMessages, type UIMessage } from 'ai'
import { useMemo } from 'react'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest'
import { toModelMessages } from '../../../src/chat/model-messages.ts'
import {
  createId,
  createThreadHistoryAdapter,
  createThreadListAdapter,
  type SessionCollections,
} from '../../../src/collections/index.ts'
import { streamMessage } from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterEach(() => cleanup())
afterAll(() => app.close())

const ann = () => app.principal('acme/ann')

/** Starts a thread. */
async function startThread() {
  const db = openAs(app, 'acme/ann')
  const { id: sessionId } = db.actions.createSession({ title: 'S' })
  const id = createId()
  await db.actions.createThread({ id, sessionId, mode: 'session', title: 'T' }).committed
  return { db, thread: { id, sessionId } }
}

/** Answers that the model gives, one per question. */
function modelAnswering(...answers: string[]): ChatModelAdapter {
  return { run: async () => ({ content: [{ type: 'text', text: answers.shift() ?? '…' }] }) }
}

/** Renders an app around a runtime, and returns the runtime. */
function open(useRuntime: () => AssistantRuntime): AssistantRuntime {
  let opened: AssistantRuntime | undefined
  function App() {
    const runtime = useRuntime()
    opened = runtime
    return <AssistantRuntimeProvider runtime={runtime}>{null}</AssistantRuntimeProvider>
  }
  const container = document.body.appendChild(document.createElement('main'))
  render(<App />, { container })
  if (opened === undefined) throw new Error('The app has not rendered.')
  return opened
}

function openThread(
  thread: { id: string; sessionId: string },
  model: ChatModelAdapter,
  as = 'acme/ann',
) {
  const db = openAs(app, as)
  const history: ThreadHistoryAdapter = createThreadHistoryAdapter(db, { thread })
  const useThreadRuntime = () => useLocalRuntime(model, { adapters: { history } })
  const runtime = open(useThreadRuntime)
  const shown = () => runtime.thread.getState().messages.map(textOf)
  return { runtime, thread: runtime.thread, shown }
}

const textOf = ({ content }: { content: readonly { type: string }[] }) =>
  content.map((part) => ('text' in part ? String(part.text) : `[${part.type}]`)).join('')

const stored = async (id: string) => (await app.store.readThread(ann(), id))?.messages ?? []

test('stores what a runtime adds with its branches, and loads it again with the head', async () => {
  const { thread } = await startThread()
  const first = openThread(thread, modelAnswering('One.', 'Two.', 'Three.'))
  first.thread.append('Question?')
  await eventually(() => expect(first.shown()).toEqual(['Question?', 'One.']))
  await eventually(async () => expect(await stored(thread.id)).toHaveLength(2))

  first.thread.getMessageByIndex(1).reload()
  await eventually(() => expect(first.shown()).toEqual(['Question?', 'Two.']))
  await eventually(async () =>
    expect((await stored(thread.id)).map(({ content }) => content)).toEqual(['Question?', 'Two.']),
  )

  const [question] = first.thread.getState().messages
  first.thread.append({
    role: 'user',
    content: [{ type: 'text', text: 'Better question?' }],
    parentId: null,
    sourceId: question?.id ?? null,
  })
  await eventually(() => expect(first.shown()).toEqual(['Better question?', 'Three.']))
  await eventually(async () =>
    expect((await stored(thread.id)).map(({ content }) => content)).toEqual([
      'Better question?',
      'Three.',
    ]),
  )

  const again = openThread(thread, modelAnswering())
  await eventually(() => expect(again.shown()).toEqual(['Better question?', 'Three.']))
  expect(again.thread.getMessageByIndex(0).getState()).toMatchObject({
    branchNumber: 2,
    branchCount: 2,
  })
  // assistant-ui shows the first of the answers there.
  again.thread.getMessageByIndex(0).switchToBranch({ position: 'previous' })
  await eventually(() => expect(again.shown()).toEqual(['Question?', 'One.']))
  expect(again.thread.getMessageByIndex(1).getState()).toMatchObject({
    branchNumber: 1,
    branchCount: 2,
  })
  expect(again.thread.getState().messages.every(({ createdAt }) => createdAt instanceof Date)).toBe(
    true,
  )
})

test('gives back what assistant-ui has stored, and models can read it', async () => {
  const { db, thread } = await startThread()
  const history: ThreadHistoryAdapter = createThreadHistoryAdapter(db, { thread })
  const image = 'data:image/png;base64,iVBORw0KGgo='
  const likes: ThreadMessageLike[] = [
    { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look' },
        { type: 'image', image },
        { type: 'file', data: 'aGk=', mimeType: 'text/plain', filename: 'a.txt' },
        { type: 'data', name: 'quote', data: { of: [1, null] } },
      ],
      attachments: [
        {
          id: 'a1',
          type: 'image',
          name: 'b.png',
          contentType: 'image/png',
          status: { type: 'complete' },
          content: [{ type: 'file', data: image, mimeType: 'image/png' }],
        },
      ],
      metadata: { custom: { draft: true } },
    },
    {
      role: 'assistant',
      status: { type: 'incomplete', reason: 'length' },
      content: [
        { type: 'reasoning', text: 'Hm.', parentId: 'g1' },
        { type: 'text', text: 'Well.' },
        { type: 'source', sourceType: 'url', id: 's1', url: 'https://a.test/', title: 'A' },
        {
          type: 'tool-call',
          toolCallId: 'c1',
          toolName: 'search',
          args: { q: 'a' },
          argsText: '{"q": "a"}',
          result: { hits: 2 },
          artifact: { rows: [1] },
        },
        {
          type: 'tool-call',
          toolCallId: 'c2',
          toolName: 'fail',
          args: {},
          result: 'No',
          isError: true,
        },
        { type: 'generative-ui', spec: { root: 'hi' } },
      ],
      metadata: { custom: {}, steps: [{ usage: { inputTokens: 1, outputTokens: 2 } }] },
    },
  ]
  const { messages } = ExportedMessageRepository.fromArray(likes)
  for (const item of messages) await history.append(item)

  const again: ThreadHistoryAdapter = createThreadHistoryAdapter(openAs(app, 'acme/ann'), {
    thread,
  })
  const loaded = await again.load()
  expect(loaded.messages).toHaveLength(3)
  for (const [index, { message, parentId }] of loaded.messages.entries()) {
    const before = messages[index]?.message
    const { id, createdAt } = message
    expect(message).toEqual({ ...JSON.parse(JSON.stringify(before)), id, createdAt })
    expect(parentId).toBe(loaded.messages[index - 1]?.message.id ?? null)
  }
  expect(loaded.headId).toBe(loaded.messages.at(-1)?.message.id)

  const [, user, assistant] = await toModelMessages(
    await stored(thread.id),
    convertToModelMessages,
  ).then((all) => [undefined, ...all])
  expect(user?.content).toMatchObject([
    { type: 'text', text: 'Look' },
    { type: 'file', mediaType: 'image/png' },
    { type: 'file', mediaType: 'text/plain' },
    { type: 'file', mediaType: 'image/png' },
  ])
  expect(JSON.stringify(assistant)).toContain('"toolCallId":"c1"')
  expect((await stored(thread.id))[1]?.content).toBe('Look')
})

test('changes and deletes what is stored, once, and also what is gone already', async () => {
  const { db, thread } = await startThread()
  const history: ThreadHistoryAdapter = createThreadHistoryAdapter(db, { thread })
  const { messages } = ExportedMessageRepository.fromArray([
    { role: 'user', content: 'One' },
    { role: 'assistant', content: 'Two' },
    { role: 'user', content: 'Three' },
  ])
  for (const item of messages) await history.append(item)
  const [one, two, three] = messages
  if (one === undefined || two === undefined || three === undefined) throw new Error('missing')
  // Also with the same message again, as after a lost answer.
  await history.append(two)
  const before = await stored(thread.id)
  expect(before.map(({ content }) => content)).toEqual(['One', 'Two', 'Three'])
  const changed = {
    ...two.message,
    content: [{ type: 'text', text: 'Two!' }],
  } as typeof two.message
  await history.update?.({ ...two, message: changed })
  await history.update?.({ ...two, message: changed })
  const after = await stored(thread.id)
  expect(after.map(({ content, version }) => [content, version])).toEqual([
    ['One', 1],
    ['Two!', 2],
    ['Three', 1],
  ])
  await history.delete?.([two])
  await history.delete?.([two])
  expect(await stored(thread.id)).toMatchObject([
    { content: 'One' },
    { content: 'Three', parentId: before[0]?.id },
  ])
})

test('shows answers that a server has written, not one that is still being written', async () => {
  const { db, thread } = await startThread()
  const { id: parentId } = db.actions.appendMessage({
    threadId: thread.id,
    role: 'user',
    content: 'Hi',
  })
  await eventually(async () => expect(await stored(thread.id)).toHaveLength(1))
  const message = { threadId: thread.id, role: 'assistant', parentId } as const
  const answer = await streamMessage(app.store, ann(), message)
  answer.append('Part')
  answer.setPart({
    type: 'tool-now',
    toolCallId: 'c1',
    state: 'output-available',
    input: {},
    output: 1,
  })
  await answer.fail({ code: 'aborted', message: 'Stopped.' })
  const running = await streamMessage(app.store, ann(), { ...message, parentId: answer.id })
  onTestFinished(() => running.finish().then(() => {}))
  const history: ThreadHistoryAdapter = createThreadHistoryAdapter(openAs(app, 'acme/ann'), {
    thread,
  })
  const { messages, headId } = await history.load()
  expect(messages.map(({ message }) => message.id)).toEqual([parentId, answer.id])
  expect(headId).toBe(answer.id)
  expect(messages[1]?.message).toMatchObject({
    role: 'assistant',
    status: { type: 'incomplete', reason: 'cancelled' },
    content: [
      { type: 'text', text: 'Part' },
      { type: 'tool-call', toolName: 'now', args: {}, argsText: '{}', result: 1 },
    ],
  })
})

test('continues the last messages of a long thread where they belong', async () => {
  const { db, thread } = await startThread()
  const contents = Array.from({ length: 120 }, (_, index) => `m${index}`)
  const value = (content: string) =>
    ({
      collection: 'chatMessages',
      type: 'insert',
      value: { id: createId(), threadId: thread.id, role: 'user', content },
    }) as const
  await db.actions.write(contents.map(value)).committed
  const window = openAs(app, 'acme/ann')
  const history: ThreadHistoryAdapter = createThreadHistoryAdapter(window, { thread, last: 10 })
  const { messages } = await history.load()
  expect(messages.length).toBeLessThan(70)
  const [first] = messages
  expect(first?.parentId).toBeNull()
  const [item] = ExportedMessageRepository.fromArray([{ role: 'user', content: 'Edited' }]).messages
  if (item !== undefined) await history.append(item)
  const page = await app.store.readThread(ann(), thread.id, { last: 200 })
  expect(page?.messages.at(-1)?.content).toBe('Edited')
  const at = Number(first?.message.content.map(textOfPart).join('').slice(1))
  expect(page?.messages.at(-2)?.content).toBe(`m${at - 1}`)
})

const textOfPart = (part: object) => ('text' in part ? String(part.text) : '')

test('is the history of runtimes over the AI SDK, which store nothing twice', async () => {
  const { db, thread } = await startThread()
  type Row = Omit<UIMessage, 'id'> & Record<string, unknown>
  // The format of @assistant-ui/react-ai-sdk.
  const history = createThreadHistoryAdapter(db, { thread }).withFormat<UIMessage, Row>({
    format: 'ai-sdk/v6',
    encode: ({ message: { id: _, ...message } }) => message,
    decode: ({ id, parent_id, content }) => ({ parentId: parent_id, message: { id, ...content } }),
    getId: ({ id }) => id,
  })
  const stored1 = createId()
  await db.actions.appendMessage({ id: stored1, threadId: thread.id, role: 'user', content: 'Hi' })
    .committed
  const question: UIMessage = { id: stored1, role: 'user', parts: [{ type: 'text', text: 'Hi' }] }
  const answer: UIMessage = {
    id: 'short',
    role: 'assistant',
    parts: [{ type: 'step-start' }, { type: 'text', text: 'Hello', state: 'done' }],
  }
  await history.append({ parentId: null, message: question })
  await history.append({ parentId: stored1, message: answer })
  const rows = await stored(thread.id)
  expect(rows).toMatchObject([
    { id: stored1, version: 1 },
    { parentId: stored1, content: 'Hello', parts: answer.parts },
  ])
  // Nor an answer of the server, with the notes about its stream.
  const streamed = await streamMessage(app.store, ann(), { threadId: thread.id, role: 'assistant' })
  streamed.append('Bye')
  await streamed.fail()
  await eventually(async () => expect((await history.load()).headId).toBe(streamed.id))
  const { messages: loaded } = await history.load()
  const versions = async () => (await stored(thread.id)).map(({ version }) => version)
  const before = await versions()
  await Promise.all(loaded.map((item) => history.append(item)))
  expect(await versions()).toEqual(before)
  await db.actions.deleteMessage(streamed.id).committed
  const { messages, headId } = await history.load()
  expect(headId).toBe(rows[1]?.id)
  expect(messages).toMatchObject([
    { parentId: null, message: question },
    { parentId: stored1, message: { ...answer, id: rows[1]?.id } },
  ])
})

/** Opens the list of chats as an app does: one runtime per chat, with the history of its thread. */
function openList(
  db: SessionCollections,
  generateTitle: (threadId: string) => Promise<string> = () => expect.unreachable(),
) {
  const model = modelAnswering('Answer.')
  const adapter: RemoteThreadListAdapter = {
    ...createThreadListAdapter(db, { generateTitle }),
    unstable_useAdapters() {
      const aui = useAui()
      return useMemo(
        () => ({ history: createThreadHistoryAdapter(db, { thread: () => aui.threadListItem }) }),
        [aui],
      )
    },
  }
  const useChats = () =>
    useRemoteThreadListRuntime({ adapter, runtimeHook: () => useLocalRuntime(model) })
  const runtime = open(useChats)
  const { threads } = runtime
  const items = () => {
    const { threadIds, archivedThreadIds, threadItems } = threads.getState()
    const titles = (ids: readonly string[]) => ids.map((id) => threadItems[id]?.title)
    return { regular: titles(threadIds), archived: titles(archivedThreadIds) }
  }
  return { runtime, threads, items }
}

test('lists, creates, titles, renames, archives, restores and deletes chats', async () => {
  const user = 'globex/gus'
  const gus = app.principal(user)
  const titled: string[] = []
  const { runtime, threads, items } = openList(openAs(app, user), async (threadId) => {
    titled.push(threadId)
    const title = 'About noon'
    await app.store.suggestTitle(gus, { threadId, title })
    return title
  })
  await threads.getLoadThreadsPromise()
  expect(items()).toEqual({ regular: [], archived: [] })

  await threads.switchToNewThread()
  runtime.thread.append('When is noon?')
  await eventually(() => expect(items()).toEqual({ regular: ['About noon'], archived: [] }))
  const { threads: listed } = await app.store.listThreads(gus)
  expect(listed).toMatchObject([{ title: 'About noon', status: 'active' }])
  const [thread] = listed
  expect(new Set(titled)).toEqual(new Set([thread?.id]))
  await eventually(async () => {
    const page = await app.store.readThread(gus, thread?.id ?? '')
    expect(page?.messages.map(({ content }) => content)).toEqual(['When is noon?', 'Answer.'])
  })

  const first = threads.getItemById(threads.getState().threadIds[0] ?? '')
  await first.rename('Noon')
  expect(items()).toEqual({ regular: ['Noon'], archived: [] })
  await first.archive()
  const again = openList(openAs(app, user))
  await again.threads.getLoadThreadsPromise()
  expect(again.items()).toEqual({ regular: [], archived: ['Noon'] })

  const item = again.threads.getItemById(thread?.id ?? '')
  await item.unarchive()
  await item.switchTo()
  await eventually(() =>
    expect(again.runtime.thread.getState().messages.map(textOf)).toEqual([
      'When is noon?',
      'Answer.',
    ]),
  )
  await item.delete()
  expect((await app.store.listThreads(gus)).threads).toEqual([])
  expect((await app.store.listSessions(gus)).sessions).toEqual([])
  const later = openList(openAs(app, user))
  await later.threads.getLoadThreadsPromise()
  expect(later.items()).toEqual({ regular: [], archived: [] })
})

test('lists what the user may see, and refuses what it may not do', async () => {
  const { db, thread } = await startThread()
  await db.actions.shareSession(thread.sessionId, 'user:bob', 'viewer').committed
  const bob = createThreadListAdapter(openAs(app, 'acme/bob'))
  const eve = createThreadListAdapter(openAs(app, 'acme/eve'))
  expect((await bob.list()).threads).toMatchObject([{ remoteId: thread.id, title: 'T' }])
  expect((await eve.list()).threads).toEqual([])
  await expect(bob.rename(thread.id, 'Mine')).rejects.toMatchObject({ code: 'forbidden' })
  await expect(bob.delete(thread.id)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(eve.fetch(thread.id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(eve.rename(thread.id, 'Mine')).rejects.toMatchObject({ code: 'not_found' })
  const list = createThreadListAdapter(db)
  await list.updateCustom(thread.id, { folder: 'a' })
  expect(await list.fetch(thread.id)).toMatchObject({ custom: { folder: 'a' }, title: 'T' })
  // A thread beside others leaves its session as it is.
  await list.delete(thread.id)
  await list.delete(thread.id).then(
    () => expect.unreachable(),
    (error) => expect(error).toMatchObject({ code: 'not_found' }),
  )
  expect((await app.store.listSessions(ann())).sessions.map(({ id }) => id)).toContain(
    thread.sessionId,
  )
})
