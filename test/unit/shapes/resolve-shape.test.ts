import { describe, expect, test } from 'vitest'
import { syncedColumnNames } from '../../../src/schema/columns.ts'
import { isRefusal, resolveShape } from '../../../src/shapes/resolve-shape.ts'
import { sessionShapes } from '../../../src/shapes/session-shapes.ts'
import { fc } from '../../support/property.ts'

const ann = { tenantId: 'acme', userId: 'ann' }

function resolved(name: string, params: Record<string, string>, principal = ann) {
  const shape = resolveShape(sessionShapes, name, params, principal)
  if (isRefusal(shape)) throw new Error(shape.message)
  return shape
}

describe('resolveShape', () => {
  test('sessions: own ones and those shared with the tenant', () => {
    expect(resolved('sessions', {})).toMatchObject({
      table: 'sessions',
      where: '"tenant_id" = $1 AND ("audiences" @> $2 OR "audiences" @> $3)',
      params: ['acme', '{"tenant"}', '{"user:ann"}'],
    })
  })

  test('children: authorised by the session they belong to', () => {
    expect(resolved('thread-messages', { sessionId: 's1', threadId: 't1' })).toMatchObject({
      table: 'chat_messages',
      where:
        '"tenant_id" = $1 AND "session_id" = $2 AND "thread_id" = $3 AND "session_id" IN (SELECT "id" FROM "sessions" WHERE ' +
        '("tenant_id" = $1 AND "id" = $4 AND ("audiences" @> $5 OR "audiences" @> $6)))',
      params: ['acme', 's1', 't1', 's1', '{"tenant"}', '{"user:ann"}'],
    })
  })

  test('no shape has server-only columns', () => {
    for (const [name, shape] of Object.entries(sessionShapes)) {
      const columns = syncedColumnNames(shape.columns)
      expect(columns, name).not.toContain('content_ref')
      expect(columns, name).not.toContain('previous_head_id')
      const id =
        {
          'session-deltas': 'message_id',
          'thread-states': 'user_id',
          'session-feedback': 'user_id',
        }[name] ?? 'id'
      expect(columns.slice(0, 2), name).toEqual(['tenant_id', id])
    }
  })

  test.each([
    '',
    'Sessions',
    'toString',
    '__proto__',
    'constructor',
    'sessions ',
    'session_threads',
  ])('refuses the unknown shape %j', (name) => {
    expect(resolveShape(sessionShapes, name, {}, ann)).toMatchObject({ reason: 'unknown_shape' })
  })

  test.each([
    ['session-timeline', {}],
    ['session-timeline', { sessionId: '' }],
    ['session-timeline', { sessionId: 's', threadId: 't' }],
    ['session-timeline', { sessionId: 'x'.repeat(129) }],
    ['sessions', { tenantId: 'other' }],
    ['session-deltas', { sessionId: 's' }],
    ['session-deltas', { sessionId: 's', epoch: "1' OR '1'='1" }],
  ])('%s refuses the parameters %j', (name, params) => {
    expect(resolveShape(sessionShapes, name, params, ann)).toMatchObject({
      reason: 'invalid_params',
    })
  })

  test('turns any text into a parameter, never into SQL', () => {
    const text = fc.string({ minLength: 1, maxLength: 128, unit: 'grapheme' })
    const plain = resolved('session-messages', { sessionId: 'a' }, { tenantId: 'b', userId: 'c' })
    fc.assert(
      fc.property(text, text, text, (sessionId, tenantId, userId) => {
        const shape = resolveShape(
          sessionShapes,
          'session-messages',
          { sessionId },
          { tenantId, userId },
        )
        if (isRefusal(shape)) return
        expect(shape.where).toBe(plain.where)
        expect(shape.params).toEqual([
          tenantId,
          sessionId,
          sessionId,
          '{"tenant"}',
          `{"user:${userId.replaceAll(/["\\]/g, '\\$&')}"}`,
        ])
      }),
    )
  })
})
