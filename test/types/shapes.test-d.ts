import { type Condition, defineShape, where } from '@org/session-db'
import { describe, expectTypeOf, test } from 'vitest'

describe('where creates conditions', () => {
  test('and, or, not', () => {
    expectTypeOf(where.and(where.eq('a', '1'), where.isNull('b'))).toEqualTypeOf<Condition>()
    expectTypeOf(where.or()).toEqualTypeOf<Condition>()
    expectTypeOf(where.not(where.isNull('a'))).toEqualTypeOf<Condition>()
    // @ts-expect-error SQL is not a condition
    where.and("tenant_id = 'acme'")
    // @ts-expect-error one by one, not as an array
    where.or([where.eq('a', '1')])
  })

  test('eq', () => {
    expectTypeOf(where.eq).parameter(1).toEqualTypeOf<string | number | bigint | boolean>()
    expectTypeOf(where.eq('archived', false)).toEqualTypeOf<Condition>()
    // @ts-expect-error nothing is equal to null: where.isNull
    where.eq('archived_at', null)
  })

  test('comparisons take numbers and dates, not text', () => {
    expectTypeOf(where.between('seq', 0, 500)).toEqualTypeOf<Condition>()
    expectTypeOf(where.gte('created_at', new Date())).toEqualTypeOf<Condition>()
    expectTypeOf(where.lt('bytes', 2n ** 60n)).toEqualTypeOf<Condition>()
    // @ts-expect-error the order of text depends on the database
    where.gt('title', 'a')
    // @ts-expect-error a range has an end
    where.between('seq', 0)
  })

  test('inArray', () => {
    const members = { table: 'members', select: 'project_id', where: where.eq('user_id', 'ann') }
    expectTypeOf(where.inArray('project_id', members)).toEqualTypeOf<Condition>()
    expectTypeOf(where.inArray('status', ['open', 'late'] as const)).toEqualTypeOf<Condition>()
    where.inArray('project_id', { ...members, tenantColumn: null })
    // @ts-expect-error which rows of the table?
    where.inArray('project_id', { table: 'members', select: 'project_id' })
  })

  test('contains', () => {
    expectTypeOf(where.contains('audiences', 'tenant')).toEqualTypeOf<Condition>()
    // @ts-expect-error one element
    where.contains('audiences', ['tenant'])
  })
})

test('defineShape', () => {
  expectTypeOf(defineShape).parameter(0).toHaveProperty('columns')
  expectTypeOf(defineShape).returns.toHaveProperty('table').toEqualTypeOf<string>()
  // @ts-expect-error a shape has columns
  defineShape({ table: 'notes' })
})
