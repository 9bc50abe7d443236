import * as browser from '@org/session-db'
import * as proxy from '@org/session-db/proxy'
import * as server from '@org/session-db/server'
import { expectTypeOf, test } from 'vitest'

test('what both entries give is one and the same', () => {
  expectTypeOf(server.branchEnd).toEqualTypeOf<typeof browser.branchEnd>()
  expectTypeOf(server.createLinkToken).toEqualTypeOf<typeof browser.createLinkToken>()
  expectTypeOf(server.linkGrantees).toEqualTypeOf<typeof browser.linkGrantees>()
  expectTypeOf(server.siblingsOf).toEqualTypeOf<typeof browser.siblingsOf>()
  expectTypeOf(server.threadPath).toEqualTypeOf<typeof browser.threadPath>()
  expectTypeOf(server.column('id', 'text')).toEqualTypeOf(browser.column('id', 'text'))
  expectTypeOf(server.defineShape).toEqualTypeOf<typeof browser.defineShape>()
  expectTypeOf(server.fromWriteFailure).toEqualTypeOf<typeof browser.fromWriteFailure>()
  expectTypeOf(server.parseWriteBatch).toEqualTypeOf<typeof browser.parseWriteBatch>()
  expectTypeOf(server.SessionDbError).toEqualTypeOf<typeof browser.SessionDbError>()
  expectTypeOf(server.streamStateOf).toEqualTypeOf<typeof browser.streamStateOf>()
  expectTypeOf(server.toUIMessage).toEqualTypeOf<typeof browser.toUIMessage>()
  expectTypeOf(server.toWriteFailure).toEqualTypeOf<typeof browser.toWriteFailure>()
  expectTypeOf(server.where).toEqualTypeOf<typeof browser.where>()
})

test('and so is what the proxy’s own entry gives', () => {
  expectTypeOf(proxy.column('id', 'text')).toEqualTypeOf(server.column('id', 'text'))
  expectTypeOf(proxy.createLinkToken).toEqualTypeOf<typeof server.createLinkToken>()
  expectTypeOf(proxy.linkGrantees).toEqualTypeOf<typeof server.linkGrantees>()
  expectTypeOf(proxy.createShapeProxy).toEqualTypeOf<typeof server.createShapeProxy>()
  expectTypeOf(proxy.defineShape).toEqualTypeOf<typeof server.defineShape>()
  expectTypeOf(proxy.SessionDbError).toEqualTypeOf<typeof server.SessionDbError>()
  expectTypeOf(proxy.where).toEqualTypeOf<typeof server.where>()
})
