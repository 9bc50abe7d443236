import {
  createCollection,
  createTransaction,
  type SyncConfig,
  type Transaction,
} from '@tanstack/db'
import { expect, test } from 'vitest'
import { showOptimistic } from '../../../src/collections/optimistic/optimistic-overlay.ts'
import { cases, fc } from '../../support/property.ts'

interface Row {
  id: string
  value: number
}

const KEYS = ['a', 'b', 'c']

function createRows(id: string) {
  const rows = createCollection<Row, string>({
    id,
    getKey: (row) => row.id,
    startSync: true,
    sync: {
      sync({ begin, write, commit, markReady }: Parameters<SyncConfig<Row, string>['sync']>[0]) {
        begin()
        for (const key of KEYS.slice(1)) write({ type: 'insert', value: { id: key, value: 0 } })
        commit()
        markReady()
      },
    },
  })
  const seen = new Map<string, number>()
  rows.subscribeChanges(
    (changes) => {
      for (const { type, key, value } of changes)
        if (type === 'delete') seen.delete(String(key))
        else seen.set(String(key), value.value)
    },
    { includeInitialState: true },
  )
  return { rows, seen }
}

const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('show' as const),
      key: fc.nat(2),
      isDelete: fc.boolean(),
      which: fc.nat(2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('native' as const),
      key: fc.nat(2),
      isDelete: fc.boolean(),
      which: fc.nat(1),
    }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('end' as const), index: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.constant({ type: 'turn' as const }) },
)

test('rows show the latest change that is still pending, whichever end first', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
      run += 1
      const collections = [createRows(`one-${run}`), createRows(`two-${run}`)] as const
      /** The pending changes in their order, with the value of their row; undefined for a deleted one. */
      const pending: { changes: Map<string, number | undefined>; end: () => void }[] = []

      function change(which: number, key: string, isDelete: boolean, value: number) {
        const { rows } = collections[which] as (typeof collections)[number]
        const has = rows.has(key)
        if (has && isDelete) rows.delete(key)
        else if (has) rows.update(key, (row) => void Object.assign(row, { value }))
        else rows.insert({ id: key, value })
        return [`${which} ${key}`, has && isDelete ? undefined : value] as const
      }

      for (const [value, step] of operations.entries()) {
        if (step.type === 'turn') await new Promise((resolve) => setTimeout(resolve))
        if (step.type === 'end' && pending.length > 0) {
          const [ended] = pending.splice(step.index % pending.length, 1)
          ended?.end()
        }
        if (step.type === 'show' || step.type === 'native') {
          const key = KEYS[step.key] as string
          const changes = new Map<string, number | undefined>()
          const mutate = () => {
            for (const which of step.which === 2 ? [0, 1] : [step.which])
              changes.set(...change(which, key, step.isDelete, value + 1))
          }
          if (step.type === 'show') {
            const { drop } = showOptimistic(mutate)
            pending.push({ changes, end: drop })
          } else {
            let end = () => {}
            const ended = new Promise<void>((resolve) => (end = resolve))
            const transaction: Transaction = createTransaction({ mutationFn: () => ended })
            transaction.mutate(mutate)
            pending.push({ changes, end })
          }
        }
      }
      await new Promise((resolve) => setTimeout(resolve))
      await new Promise((resolve) => setTimeout(resolve))
      for (const [which, { rows, seen }] of collections.entries()) {
        const expected = new Map(KEYS.slice(1).map((key) => [key, 0]))
        for (const { changes } of pending)
          for (const key of KEYS) {
            if (!changes.has(`${which} ${key}`)) continue
            const value = changes.get(`${which} ${key}`)
            if (value === undefined) expected.delete(key)
            else expected.set(key, value)
          }
        const shown = new Map(rows.toArray.map((row) => [row.id, row.value]))
        expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected))
        expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(expected))
      }
      for (const { end } of pending) end()
    }),
    { numRuns: cases(150, 5_000) },
  )
})

test('rows of a change that throws do not show', async () => {
  const { rows } = createRows('throws')
  const first = showOptimistic(() => void rows.insert({ id: 'a', value: 1 }))
  const failing = () =>
    showOptimistic(() => {
      rows.insert({ id: 'd', value: 2 })
      throw new Error('refused')
    })
  expect(failing).toThrow('refused')
  await expect.poll(() => rows.has('d')).toBe(false)
  expect(rows.get('a')?.value).toBe(1)
  first.drop()
  await expect.poll(() => rows.has('a')).toBe(false)
})
