import {
  type SessionAccess as BrowserAccess,
  createAccess as createBrowserAccess,
  createSessionShapes as createBrowserShapes,
  createLinkToken,
  type LinkToken,
  linkGrantees,
  type MessageStream,
  type SessionCollections,
  streamMessage,
} from '@org/session-db'
import {
  createAccess as createProxyAccess,
  createSessionShapes as createProxyShapes,
} from '@org/session-db/proxy'
import {
  createAccess,
  createSessionShapes,
  LogError,
  type Principal,
  runWrites,
  type SessionAccess,
  type SessionStore,
  toModelMessages,
  userSessionId,
  type WriteOutcome,
  where,
} from '@org/session-db/server'
import { expectTypeOf, test } from 'vitest'

declare const db: SessionCollections
declare const store: SessionStore
declare const principal: Principal

interface AppPrincipal extends Principal {
  readonly isAdmin: boolean
}

test('createAccess and createSessionShapes', () => {
  expectTypeOf(createAccess()).toEqualTypeOf<SessionAccess<Principal>>()
  expectTypeOf(createBrowserAccess()).toEqualTypeOf<BrowserAccess<Principal>>()
  expectTypeOf(createSessionShapes(createAccess()).sessions.table).toEqualTypeOf<string>()
  const ofApp = createAccess<AppPrincipal>({
    see: ({ isAdmin }) => (isAdmin ? where.and() : where.or()),
    chat: ({ isAdmin }) => (isAdmin ? where.and() : where.or()),
    edit: () => where.or(),
    manage: ({ userId }) => where.eq('owner_id', userId),
  })
  expectTypeOf(ofApp).toEqualTypeOf<SessionAccess<AppPrincipal>>()
  // @ts-expect-error the principal has no such property
  createAccess({ see: ({ isAdmin }) => (isAdmin ? where.and() : where.or()) })
  createBrowserShapes(createBrowserAccess())
  createProxyShapes(createProxyAccess())
  // @ts-expect-error the rule is missing
  createSessionShapes()
})

test('createLinkToken and linkGrantees', () => {
  expectTypeOf(createLinkToken).returns.resolves.toEqualTypeOf<LinkToken>()
  expectTypeOf(linkGrantees).parameters.toEqualTypeOf<[readonly string[]]>()
  expectTypeOf(linkGrantees([])).resolves.toEqualTypeOf<string[]>()
  // @ts-expect-error a list of tokens
  linkGrantees('token')
})

test('streamMessage', () => {
  const message = { threadId: 't1', sessionId: 's1', role: 'assistant' } as const
  expectTypeOf(streamMessage(db, message)).toEqualTypeOf<MessageStream>()
})

test('runWrites, toModelMessages, userSessionId and LogError', () => {
  expectTypeOf(runWrites(store, principal, [])).resolves.toEqualTypeOf<WriteOutcome[]>()
  expectTypeOf(toModelMessages([], () => 'model')).resolves.toEqualTypeOf<string>()
  expectTypeOf(userSessionId('s', 'u')).toEqualTypeOf<string>()
  expectTypeOf(LogError).toBeConstructibleWith('not a log')
})
