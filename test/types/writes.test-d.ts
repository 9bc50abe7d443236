import {
  createHttpWriteAdapter,
  createOutbox,
  type ErrorCode,
  fromWriteFailure,
  type Outbox,
  type OutboxEntry,
  type OutboxStatus,
  parseWriteBatch,
  SessionDbError,
  toWriteFailure,
  type WriteAdapter,
  type WriteBatch,
  type WriteBatchInput,
  type WriteFailure,
  type WriteOutcome,
  type WriteResult,
  withRetries,
} from '@org/session-db'
import { describe, expectTypeOf, test } from 'vitest'

declare const adapter: WriteAdapter
declare const batch: WriteBatchInput

test('createHttpWriteAdapter', () => {
  expectTypeOf(createHttpWriteAdapter({ url: '/api/write' })).toEqualTypeOf<WriteAdapter>()
  createHttpWriteAdapter({
    url: '/api/write',
    headers: { authorization: async () => 'Bearer x', 'x-app': 'web' },
  })
  // @ts-expect-error where to?
  createHttpWriteAdapter({})
  // @ts-expect-error a record of headers, as the streams take it
  createHttpWriteAdapter({ url: '/api/write', headers: () => ({ authorization: 'Bearer x' }) })
})

test('withRetries', () => {
  expectTypeOf(withRetries(adapter, { attempts: 3 })).toEqualTypeOf<WriteAdapter>()
  // @ts-expect-error no such option
  withRetries(adapter, { retries: 3 })
})

describe('a batch', () => {
  test('parseWriteBatch takes unknown input', () => {
    expectTypeOf(parseWriteBatch).toEqualTypeOf<(input: unknown) => WriteBatch>()
    const [mutation] = parseWriteBatch({}).mutations
    if (mutation?.collection === 'sessions' && mutation.type === 'insert') {
      expectTypeOf(mutation.value.title).toEqualTypeOf<string>()
      // @ts-expect-error an insert names no other row
      mutation.changes
    }
  })

  test('has only writable columns', () => {
    const value = { id: 's1', title: 'Review' }
    expectTypeOf<{
      id: string
      mutations: [{ collection: 'sessions'; type: 'insert'; value: typeof value }]
    }>().toExtend<WriteBatchInput>()
    const wrong: WriteBatchInput = {
      id: 'b1',
      // @ts-expect-error only messages are appended to
      mutations: [{ collection: 'sessions', type: 'append', id: 's1' }],
    }
    expectTypeOf(wrong.id).toBeString()
  })
})

test('toWriteFailure and fromWriteFailure', () => {
  expectTypeOf(toWriteFailure).toEqualTypeOf<(error: unknown) => WriteFailure>()
  expectTypeOf(fromWriteFailure).toEqualTypeOf<(failure: WriteFailure) => SessionDbError>()
  expectTypeOf<WriteResult>().toExtend<WriteOutcome>()
  // @ts-expect-error an error is not yet a failure
  fromWriteFailure(new Error('no'))
})

test('SessionDbError', () => {
  const error = new SessionDbError('conflict', 'Somebody was first.', { details: { version: 3 } })
  expectTypeOf(SessionDbError).instance.toExtend<Error>()
  expectTypeOf(error.code).toEqualTypeOf<ErrorCode>()
  expectTypeOf(error.status).toEqualTypeOf<number>()
  const caught: unknown = error
  if (caught instanceof SessionDbError && caught.code === 'not_found') {
    expectTypeOf(caught.code).toEqualTypeOf<'not_found'>()
  }
  // @ts-expect-error no such code
  new SessionDbError('teapot', 'short and stout')
  // @ts-expect-error codes are in snake_case
  if (error.code === 'notFound') throw error
})

test('createOutbox', async () => {
  const outbox = createOutbox({ identity: { tenantId: 'acme', userId: 'ann' } })
  expectTypeOf(createOutbox).returns.toEqualTypeOf<Outbox>()
  expectTypeOf(outbox.status.get()).toEqualTypeOf<OutboxStatus>()
  expectTypeOf(outbox.entries()).resolves.toEqualTypeOf<OutboxEntry[]>()
  expectTypeOf(outbox.discard).parameters.toEqualTypeOf<[string]>()
  expectTypeOf(outbox.retry).parameters.toEqualTypeOf<[string]>()
  expectTypeOf(outbox.clear).returns.resolves.toBeVoid()
  // @ts-expect-error whose outbox?
  createOutbox({})
  // @ts-expect-error a writer has a tenant
  createOutbox({ identity: { userId: 'ann' } })
  // @ts-expect-error entries cannot be changed
  ;(await outbox.entries())[0].addedAt = new Date()
})
