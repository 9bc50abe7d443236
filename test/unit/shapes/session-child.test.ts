import { expect, test } from 'vitest'
import { createAccess } from '../../../src/access/access.ts'
import { ofSessionChild } from '../../../src/access/session-child.ts'
import * as where from '../../../src/access/where.ts'
import { isRefusal, resolveShape } from '../../../src/shapes/resolve-shape.ts'
import { createSessionShapes } from '../../../src/shapes/session-shapes.ts'

const principal = { tenantId: 'acme', userId: 'ann' }
const member = { table: 'members', select: 'session_id', where: where.eq('user_id', 'ann') }

test('takes the copied columns, and session_id for the id', () => {
  const condition = where.or(
    where.contains('audiences', 'tenant'),
    where.and(where.inArray('id', member), where.not(where.eq('id', 's1'))),
  )
  expect(ofSessionChild(condition, ['audiences'])).toEqual(
    where.or(
      where.contains('audiences', 'tenant'),
      where.and(where.inArray('session_id', member), where.not(where.eq('session_id', 's1'))),
    ),
  )
})

test('uses a subquery where a column is missing, also within not', () => {
  for (const condition of [
    where.eq('owner_id', 'ann'),
    where.and(where.contains('audiences', 'tenant'), where.eq('status', 'ready')),
    where.not(where.isNull('archived_at')),
  ]) {
    expect(ofSessionChild(condition, ['audiences'])).toEqual(
      where.inArray('session_id', { table: 'sessions', select: 'id', where: condition }),
    )
  }
})

test('the shape of all threads has no subquery by default, and one within the tenant where it is needed', () => {
  const whereOf = (see?: Parameters<typeof createAccess>[0]) => {
    const resolved = resolveShape(createSessionShapes(createAccess(see)), 'threads', {}, principal)
    if (isRefusal(resolved)) throw new Error(resolved.message)
    return resolved.where
  }
  expect(whereOf()).toBe('"tenant_id" = $1 AND ("audiences" @> $2 OR "audiences" @> $3)')
  expect(whereOf({ see: ({ userId }) => where.eq('owner_id', userId) })).toBe(
    '"tenant_id" = $1 AND "session_id" IN (SELECT "id" FROM "sessions" WHERE ("tenant_id" = $1 AND ("owner_id" = $2)))',
  )
})
