import type {
  RemoteThreadListAdapter,
  ThreadHistoryAdapter,
  ThreadMessage,
} from '@assistant-ui/react'
import {
  attachFile,
  branchEnd,
  type ChatList,
  type ChatMessage,
  type ChatThread,
  chatList,
  createChatTransport,
  createThreadHistoryAdapter,
  createThreadListAdapter,
  type FeedbackList,
  type FilePart,
  type JsonValue,
  messageFeedback,
  type PendingAttachment,
  type Principal,
  type SessionChatTransport,
  type SessionCollections,
  type SessionThreadHistory,
  type SessionThreadList,
  type Siblings,
  siblingsOf,
  type ThreadWindow,
  type ThreadWindowState,
  threadPath,
  unreadCount,
  type WriteResult,
} from '@org/session-db'
import {
  createChatHandler,
  type FeedbackPage,
  type ForkedThread,
  inlineAttachments,
  type SessionList,
  type SessionStore,
  type ThreadList,
  type ThreadPage,
  type UsageSum,
} from '@org/session-db/server'
import { type ChatTransport, streamText, type UIMessage } from 'ai'
import type { ChatTransport as ChatTransport6, UIMessage as UIMessage6 } from 'ai6'
import { expectTypeOf, test } from 'vitest'

declare const messages: ChatMessage[]
declare const message: ChatMessage

test('the branches of a thread', () => {
  expectTypeOf(threadPath(messages, 'm1')).toEqualTypeOf<ChatMessage[]>()
  expectTypeOf(siblingsOf(messages, message)).toEqualTypeOf<Siblings<ChatMessage>>()
  expectTypeOf(branchEnd(messages, message)).toEqualTypeOf<ChatMessage>()
  // @ts-expect-error: a message without a position
  threadPath([{ id: 'm1', parentId: null }])
})

declare const store: SessionStore
declare const principal: Principal

test('reading threads on the server', () => {
  expectTypeOf(store.readThread(principal, 't1', { last: 50 })).resolves.toEqualTypeOf<
    ThreadPage | undefined
  >()
  expectTypeOf(store.threadMessages(principal, 't1')).toEqualTypeOf<AsyncIterable<ChatMessage>>()
  expectTypeOf(store.listThreads(principal)).resolves.toEqualTypeOf<ThreadList>()
  expectTypeOf(store.listSessions(principal)).resolves.toEqualTypeOf<SessionList>()
  expectTypeOf(
    store.forkThread(principal, { threadId: 't1', messageId: 'm1' }),
  ).resolves.toEqualTypeOf<ForkedThread>()
  // @ts-expect-error: there is no such option
  store.readThread(principal, 't1', { first: 50 })
})

declare const db: SessionCollections

test('the window of a thread', () => {
  const window = db.thread({ id: 't1', sessionId: 's1' }, { last: 50 })
  expectTypeOf(window).toExtend<ThreadWindow>()
  expectTypeOf(window.loadMessage('m1')).resolves.toEqualTypeOf<ChatMessage | undefined>()
  expectTypeOf(window.loadMessageAt(new Date())).resolves.toEqualTypeOf<ChatMessage | undefined>()
  expectTypeOf(window.state.get()).toEqualTypeOf<ThreadWindowState>()
  // @ts-expect-error: a window has a size
  db.thread({ id: 't1', sessionId: 's1' }, {})
})

test('the transport of useChat fits both versions of the AI SDK', () => {
  const transport = createChatTransport(db, { sessionId: 's1' })
  expectTypeOf(createChatTransport(db, { sessionId: 's1' })).toEqualTypeOf<SessionChatTransport>()
  const of7: ChatTransport<UIMessage> = transport
  const of6: ChatTransport6<UIMessage6> = transport
  expectTypeOf([of7, of6]).toBeObject()
  expectTypeOf(transport.stop('t1')).resolves.toEqualTypeOf<void>()
  // @ts-expect-error: no session
  createChatTransport(db, {})
})

test('the adapters of assistant-ui fit its types', () => {
  const thread = { id: 't1', sessionId: 's1' }
  const history: ThreadHistoryAdapter = createThreadHistoryAdapter(db, { thread })
  const list: RemoteThreadListAdapter = createThreadListAdapter(db)
  expectTypeOf([history, list]).toBeObject()
  expectTypeOf(createThreadHistoryAdapter<ThreadMessage>(db, { thread })).toEqualTypeOf<
    SessionThreadHistory<ThreadMessage>
  >()
  expectTypeOf(createThreadListAdapter(db, { title: 'New' })).toEqualTypeOf<SessionThreadList>()
  // @ts-expect-error: no thread
  createThreadHistoryAdapter(db, {})
})

test('attachments', () => {
  const attachment = attachFile(db, { threadId: 't1', file: new File([], 'a.png') })
  expectTypeOf(attachFile).returns.toEqualTypeOf<PendingAttachment>()
  expectTypeOf(attachment.uploaded).resolves.toEqualTypeOf<FilePart>()
  expectTypeOf(attachment.uploaded).resolves.toExtend<JsonValue>()
  expectTypeOf(inlineAttachments(store, principal, [message])).resolves.toEqualTypeOf<
    ChatMessage[]
  >()
})

test('the handler of answers', () => {
  const serve = createChatHandler({
    store,
    authenticate: () => principal,
    uploadUrl: '/api/uploads',
    answer({ history, abortSignal }) {
      expectTypeOf(history).toEqualTypeOf<readonly ChatMessage[]>()
      expectTypeOf(abortSignal).toEqualTypeOf<AbortSignal>()
      return streamText({ model: 'm', prompt: 'p', abortSignal }).toUIMessageStream()
    },
  })
  expectTypeOf(serve).toEqualTypeOf<(request: Request) => Promise<Response>>()
  expectTypeOf(createChatHandler<Principal>).returns.toEqualTypeOf<typeof serve>()
})

test('the list of chats', () => {
  expectTypeOf(chatList(db)).toEqualTypeOf<ChatList>()
  expectTypeOf(chatList(db).threads.toArray[0]).toMatchTypeOf<ChatThread | undefined>()
  expectTypeOf(unreadCount({ lastPosition: 3 }, undefined)).toBeNumber()
  expectTypeOf(messageFeedback(db, 's1')).toEqualTypeOf<FeedbackList>()
  const { rate } = messageFeedback(db, 's1')
  expectTypeOf(rate('m1', { rating: 'up' }).committed).resolves.toEqualTypeOf<WriteResult>()
  // @ts-expect-error: no such rating
  rate('m1', { rating: 'meh' })
})

test('usage and titles on the server', () => {
  expectTypeOf(store.suggestTitle(principal, { threadId: 't1', title: 'T' })).resolves.toBeBoolean()
  expectTypeOf(store.readUsage(principal, { by: 'month' })).resolves.toEqualTypeOf<UsageSum[]>()
  expectTypeOf(store.readFeedback(principal)).resolves.toEqualTypeOf<FeedbackPage>()
  // @ts-expect-error: a call needs an id
  store.recordUsage(principal, { messageId: 'm1' })
})
