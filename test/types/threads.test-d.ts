import {
  branchEnd,
  type ChatMessage,
  type Principal,
  type SessionCollections,
  type Siblings,
  siblingsOf,
  type ThreadWindow,
  type ThreadWindowState,
  threadPath,
} from '@org/session-db'
import type {
  ForkedThread,
  SessionList,
  SessionStore,
  ThreadList,
  ThreadPage,
} from '@org/session-db/server'
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
  expectTypeOf(window.state.get()).toEqualTypeOf<ThreadWindowState>()
  // @ts-expect-error: a window has a size
  db.thread({ id: 't1', sessionId: 's1' }, {})
})
