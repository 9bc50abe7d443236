import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { MAX_MUTATIONS, parseWriteBatch, SessionDbError } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'

function refusal(input: unknown): SessionDbError {
  try {
    parseWriteBatch(input)
  } catch (error) {
    if (error instanceof SessionDbError) return error
    throw error
  }
  throw new Error('the batch was accepted')
}

const deletion = { collection: 'sessions', type: 'delete', id: 's1' }
const insertion = (value: Record<string, unknown>) => ({
  id: 'b1',
  mutations: [{ collection: 'chatMessages', type: 'insert', value }],
})
const message = { id: 'm1', threadId: 't1', role: 'user', content: 'hello' }

describe('parseWriteBatch', () => {
  test('accepts a batch and turns ISO times into dates', () => {
    const batch = parseWriteBatch({
      id: 'b1',
      mutations: [
        {
          collection: 'sessions',
          type: 'update',
          id: 's1',
          changes: { archivedAt: '2026-01-02T03:04:05.678+01:00' },
          expectedVersion: 3,
        },
      ],
    })
    expect(batch.mutations[0]).toMatchObject({
      changes: { archivedAt: new Date('2026-01-02T02:04:05.678Z') },
    })
  })

  test.each([
    ['nothing', undefined, /./],
    ['no mutation', { id: 'b1', mutations: [] }, /mutations/],
    ['an empty id', { id: '', mutations: [deletion] }, /^id/],
    ['an id over 128 characters', { id: 'x'.repeat(129), mutations: [deletion] }, /^id/],
    [
      'an unknown collection',
      { id: 'b', mutations: [{ ...deletion, collection: 'users' }] },
      /mutations\[0\]/,
    ],
    [
      'an unknown type',
      { id: 'b', mutations: [{ ...deletion, type: 'upsert' }] },
      /mutations\[0\]/,
    ],
    [
      'an unknown column',
      insertion({ ...message, isAdmin: true }),
      /mutations\[0\]\.value.*isAdmin/,
    ],
    ['a column of the server', insertion({ ...message, authorId: 'eve' }), /authorId/],
    ['a tenant', insertion({ ...message, tenantId: 'other' }), /tenantId/],
    [
      'U+0000',
      insertion({ ...message, content: 'a\u0000b' }),
      /mutations\[0\]\.value\.content.*U\+0000/,
    ],
    [
      'a lone surrogate in JSON',
      insertion({ ...message, metadata: { a: ['\ud800'] } }),
      /metadata/,
    ],
    ['a function in JSON', insertion({ ...message, metadata: { a: () => 1 } }), /metadata/],
    ['an array as metadata', insertion({ ...message, metadata: [] }), /metadata/],
    ['a role that is none', insertion({ ...message, role: 'root' }), /role/],
  ])('refuses %s and says where', (_name, input, where) => {
    const error = refusal(input)
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(where)
  })

  test('words problems in English when the app has set another locale for zod', () => {
    const before = { ...z.config() }
    onTestFinished(() => void z.config(before))
    z.config(z.locales.de())
    const missing = insertion({ id: 'm1', threadId: '', role: 'root', content: 1, isAdmin: true })
    expect(refusal(missing).details?.issues).toEqual([
      {
        path: 'mutations[0].value.threadId',
        message: 'Too small: expected string to have >=1 characters',
      },
      {
        path: 'mutations[0].value.role',
        message: 'Invalid option: expected one of "system"|"user"|"assistant"|"tool"',
      },
      {
        path: 'mutations[0].value.content',
        message: 'Invalid input: expected string, received number',
      },
      { path: 'mutations[0].value', message: 'Unrecognized key: "isAdmin"' },
    ])
  })

  test('refuses more mutations than the limit', () => {
    const mutations = Array.from({ length: MAX_MUTATIONS + 1 }, () => deletion)
    expect(refusal({ id: 'b', mutations }).message).toMatch(/mutations/)
    expect(parseWriteBatch({ id: 'b', mutations: mutations.slice(1) }).mutations).toHaveLength(500)
  })

  test('refuses JSON nested too deeply instead of overflowing the stack', () => {
    let deep: unknown = 1
    for (let level = 0; level < 50_000; level++) deep = [deep]
    expect(refusal(insertion({ ...message, metadata: { deep } })).message).toMatch(/nested/)
  })

  test('does not read inherited properties as columns', () => {
    const value = Object.assign(Object.create({ threadId: 't1' }), {
      ...message,
      threadId: undefined,
    })
    expect(refusal(insertion(value)).code).toBe('invalid')
  })

  test('returns a batch or throws a SessionDbError for any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        try {
          parseWriteBatch(input)
        } catch (error) {
          expect(error).toBeInstanceOf(SessionDbError)
        }
      }),
      { numRuns: cases(500, 5_000) },
    )
  })
})
