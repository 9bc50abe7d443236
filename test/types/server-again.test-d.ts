import * as browser from '@org/session-db'
import * as proxy from '@org/session-db/proxy'
import * as server from '@org/session-db/server'
import { expectTypeOf, test } from 'vitest'

test('what both entries give is one and the same', () => {
  expectTypeOf(server.and).toEqualTypeOf<typeof browser.and>()
  expectTypeOf(server.column('id', 'text')).toEqualTypeOf(browser.column('id', 'text'))
  expectTypeOf(server.defineShape).toEqualTypeOf<typeof browser.defineShape>()
  expectTypeOf(server.equals).toEqualTypeOf<typeof browser.equals>()
  expectTypeOf(server.fromWriteFailure).toEqualTypeOf<typeof browser.fromWriteFailure>()
  expectTypeOf(server.inRange).toEqualTypeOf<typeof browser.inRange>()
  expectTypeOf(server.isIn).toEqualTypeOf<typeof browser.isIn>()
  expectTypeOf(server.isRefusal).toEqualTypeOf<typeof browser.isRefusal>()
  expectTypeOf(server.matches).toEqualTypeOf<typeof browser.matches>()
  expectTypeOf(server.or).toEqualTypeOf<typeof browser.or>()
  expectTypeOf(server.parseWriteBatch).toEqualTypeOf<typeof browser.parseWriteBatch>()
  expectTypeOf(server.resolveShape).toEqualTypeOf<typeof browser.resolveShape>()
  expectTypeOf(server.SessionDbError).toEqualTypeOf<typeof browser.SessionDbError>()
  expectTypeOf(server.streamStateOf).toEqualTypeOf<typeof browser.streamStateOf>()
  expectTypeOf(server.toUIMessage).toEqualTypeOf<typeof browser.toUIMessage>()
  expectTypeOf(server.toWhereClause).toEqualTypeOf<typeof browser.toWhereClause>()
  expectTypeOf(server.toWriteFailure).toEqualTypeOf<typeof browser.toWriteFailure>()
})

test('and so is what the proxy’s own entry gives', () => {
  expectTypeOf(proxy.column('id', 'text')).toEqualTypeOf(server.column('id', 'text'))
  expectTypeOf(proxy.and).toEqualTypeOf<typeof server.and>()
  expectTypeOf(proxy.createShapeProxy).toEqualTypeOf<typeof server.createShapeProxy>()
  expectTypeOf(proxy.defineShape).toEqualTypeOf<typeof server.defineShape>()
  expectTypeOf(proxy.equals).toEqualTypeOf<typeof server.equals>()
  expectTypeOf(proxy.inRange).toEqualTypeOf<typeof server.inRange>()
  expectTypeOf(proxy.isIn).toEqualTypeOf<typeof server.isIn>()
  expectTypeOf(proxy.isRefusal).toEqualTypeOf<typeof server.isRefusal>()
  expectTypeOf(proxy.matches).toEqualTypeOf<typeof server.matches>()
  expectTypeOf(proxy.or).toEqualTypeOf<typeof server.or>()
  expectTypeOf(proxy.resolveShape).toEqualTypeOf<typeof server.resolveShape>()
  expectTypeOf(proxy.SessionDbError).toEqualTypeOf<typeof server.SessionDbError>()
  expectTypeOf(proxy.toWhereClause).toEqualTypeOf<typeof server.toWhereClause>()
})
