import { expect, test } from 'vitest'
import { type Condition, matches } from '../../../src/access/condition.ts'
import { confineSubqueries } from '../../../src/access/confined.ts'
import { createAccess, createSessionShapes, where } from '../../../src/shapes/index.ts'
import { resolveShape } from '../../../src/shapes/resolve-shape.ts'
import { cases, fc } from '../../support/property.ts'

const member = (user: string) =>
  where.inArray('id', { table: 'members', select: 'session_id', where: where.eq('user_id', user) })

test('a confined condition selects the same rows', () => {
  const id = fc.constantFrom('s1', 's2', null)
  const user = fc.constantFrom('ann', 'ben', null)
  const members = fc.array(fc.record({ session_id: id, user_id: user }), { maxLength: 5 })
  const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(where.eq('owner_id', 'ann'), where.isNull('owner_id')),
      fc.constantFrom('ann', 'ben').map(member),
      fc.array(tie('condition'), { maxLength: 3 }).map((parts) => where.and(...parts)),
      fc.array(tie('condition'), { maxLength: 3 }).map((parts) => where.or(...parts)),
      tie('condition').map(where.not),
    ),
  }))
  fc.assert(
    fc.property(condition, members, user, (whole, rows, owner_id) => {
      const row = { id: 's1', owner_id }
      const selects = (tried: Condition) => matches(tried, row, () => rows)
      expect(selects(confineSubqueries(whole, 'id', 's1'))).toBe(selects(whole))
    }),
    { numRuns: cases(2_000, 100_000) },
  )
})

test('the children of a session confine the subqueries of an own rule', () => {
  const shapes = createSessionShapes(createAccess({ see: ({ userId }) => member(userId) }))
  const ann = { tenantId: 'acme', userId: 'ann' }
  for (const name of ['session-timeline', 'session-threads', 'session-messages'] as const) {
    expect(resolveShape(shapes, name, { sessionId: 's1' }, ann)).toMatchObject({
      where: expect.stringContaining(
        'FROM "members" WHERE ("tenant_id" = $1 AND "session_id" = $2',
      ),
      params: ['acme', 's1', 's1', 'ann'],
    })
  }
})
