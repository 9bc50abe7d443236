import {
  and,
  type Condition,
  defineShape,
  equals,
  inRange,
  isIn,
  isRefusal,
  matches,
  or,
  type ResolvedShape,
  resolveShape,
  type ShapeRefusal,
  sessionShapes,
  toWhereClause,
} from '@org/session-db'
import { describe, expectTypeOf, test } from 'vitest'

const ann = { tenantId: 'acme', userId: 'ann' }

describe('conditions are data', () => {
  test('and, or', () => {
    expectTypeOf(and(equals('a', '1'), inRange('b', 0, 9))).toEqualTypeOf<Condition>()
    expectTypeOf(or()).toEqualTypeOf<Condition>()
    // @ts-expect-error SQL is not a condition
    and("tenant_id = 'acme'")
    // @ts-expect-error one by one, not as an array
    or([equals('a', '1')])
  })

  test('equals', () => {
    expectTypeOf(equals).parameter(1).toEqualTypeOf<string | number | bigint | boolean>()
    expectTypeOf(equals('archived', false)).toEqualTypeOf<Condition>()
    // @ts-expect-error nothing is equal to null
    equals('archived_at', null)
  })

  test('inRange', () => {
    expectTypeOf(inRange('seq', 0, 500)).toEqualTypeOf<Condition>()
    // @ts-expect-error numbers
    inRange('seq', '0', '500')
    // @ts-expect-error a range ends
    inRange('seq', 0)
  })

  test('isIn', () => {
    const inner = { table: 'members', select: 'project_id', where: equals('user_id', 'ann') }
    expectTypeOf(isIn('project_id', inner)).toEqualTypeOf<Condition>()
    isIn('project_id', { ...inner, tenantColumn: null })
    // @ts-expect-error which rows of it?
    isIn('project_id', { table: 'members', select: 'project_id' })
  })

  test('matches', () => {
    expectTypeOf(matches(equals('id', 's1'), { id: 's1' }, () => [])).toEqualTypeOf<boolean>()
    // @ts-expect-error rows of other tables are asked for
    matches(equals('id', 's1'), { id: 's1' })
  })

  test('toWhereClause', () => {
    const clause = toWhereClause(equals('id', 's1'))
    expectTypeOf(toWhereClause).parameters.toEqualTypeOf<[Condition]>()
    expectTypeOf(clause.params).toEqualTypeOf<readonly string[]>()
    // @ts-expect-error it is not changed afterwards
    clause.where = 'true'
  })
})

test('resolveShape and isRefusal', () => {
  const resolved = resolveShape(sessionShapes, 'session-timeline', { sessionId: 's1' }, ann)
  expectTypeOf(resolveShape(sessionShapes, 'x', {}, ann)).toEqualTypeOf<
    ResolvedShape | ShapeRefusal
  >()
  // @ts-expect-error it may have been refused
  resolved.where
  if (isRefusal(resolved)) expectTypeOf(resolved).toEqualTypeOf<ShapeRefusal>()
  else expectTypeOf(resolved.where).toEqualTypeOf<string>()
  expectTypeOf(isRefusal).returns.toBeBoolean()
  // @ts-expect-error a principal has a tenant
  resolveShape(sessionShapes, 'sessions', {}, { userId: 'ann' })
  // @ts-expect-error parameters are texts
  resolveShape(sessionShapes, 'session-timeline', { sessionId: 1 }, ann)
})

test('defineShape', () => {
  expectTypeOf(defineShape).parameter(0).toHaveProperty('columns')
  expectTypeOf(defineShape).returns.toHaveProperty('table').toEqualTypeOf<string>()
  // @ts-expect-error a shape has columns
  defineShape({ table: 'notes' })
})
