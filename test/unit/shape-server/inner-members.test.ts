import { expect, test } from 'vitest'
import { createInnerMembers, type Member } from '../../../src/dev/shape-server/inner-members.ts'
import { fc } from '../../support/property.ts'

test('a row that many sets have is in memory once', () => {
  const rows = createInnerMembers()
  expect(rows.share('"public"."sessions"/"1"', 's1')).toBe(
    rows.share(['"public"."sessions"', '"1"'].join('/'), 's1'),
  )
  expect(rows.size).toBe(1)
})

test('rows keep the value each set knows them with, and nothing stays once all are given back', () => {
  const held = fc.array(fc.tuple(fc.nat(5), fc.option(fc.nat(2).map(String))))
  fc.assert(
    fc.property(held, fc.infiniteStream(fc.nat()), (asked, order) => {
      const rows = createInnerMembers()
      const taken: [string, Member][] = asked.map(([id, value]) => {
        const member = rows.share(`k${id}`, value)
        expect(member).toMatchObject({ key: `k${id}`, selected: value })
        return [`k${id}`, member]
      })
      expect(rows.size).toBe(new Set(taken.map(([key]) => key)).size)
      while (taken.length > 0) {
        const index = (order.next().value ?? 0) % taken.length
        const [[key, member] = ['', undefined]] = taken.splice(index, 1)
        if (member) rows.release(key, member)
      }
      expect(rows.size).toBe(0)
    }),
  )
})
