import { expect, test } from 'vitest'
import {
  decideTree,
  disjunctiveForm,
  type Tree,
  type Truth,
} from '../../../src/dev/shape-server/where/condition.ts'
import { fc } from '../../support/property.ts'

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.record({ kind: fc.constant('leaf' as const), leaf: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ kind: fc.constant('not' as const), arg: tie('tree') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      args: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
    }),
  ),
}))

const truth = fc.constantFrom<Truth>(true, false, null)

test('all positions of some disjunct hold exactly when the condition is true', () => {
  fc.assert(
    fc.property(tree, fc.tuple(truth, truth, truth, truth, truth), (condition, leaves) => {
      const form = disjunctiveForm(condition)
      const active = form.positions.map(({ leaf, negated }) => {
        const value = leaves[leaf] ?? null
        return value !== null && value !== negated
      })
      const visible = form.disjuncts.some((disjunct) => disjunct.every((pos) => active[pos]))
      expect(visible).toBe(decideTree(condition, (leaf) => leaves[leaf] ?? null) === true)
    }),
  )
})

test('no two disjuncts share a position', () => {
  fc.assert(
    fc.property(tree, (condition) => {
      const { positions, disjuncts } = disjunctiveForm(condition)
      expect(disjuncts.flat()).toEqual(positions.map((_, pos) => pos))
    }),
  )
})
