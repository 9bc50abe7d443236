import { expect, test } from 'vitest'
import { createWriteOrder } from '../../../src/collections/actions/write-order.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { fc } from '../../support/property.ts'

const rename = (id: string): MutationInput => ({
  collection: 'chatThreads',
  type: 'update',
  id,
  changes: { title: 'x' },
})
const append = (id: string, threadId: string): MutationInput => ({
  collection: 'chatMessages',
  type: 'insert',
  value: { id, threadId, role: 'user', content: 'x' },
})
const edit = (id: string): MutationInput => ({
  collection: 'chatMessages',
  type: 'update',
  id,
  changes: { content: 'y' },
})

test('sends the first write of a row immediately and the next after its answer, failed or not', async () => {
  const order = createWriteOrder()
  const log: string[] = []
  let fail = (_: Error) => {}
  const held = new Promise<never>((_, reject) => {
    fail = reject
  })
  const first = order.run([rename('t1')], () => {
    log.push('first')
    return held
  })
  const second = order.run([append('m1', 't1')], async () => log.push('second'))
  const other = order.run([rename('t2')], async () => log.push('other'))
  expect(log).toEqual(['first', 'other'])
  await other
  fail(new Error('offline'))
  await expect(first).rejects.toThrow('offline')
  await second
  expect(log).toEqual(['first', 'other', 'second'])
})

test('sends all writes, in order and never overlapping for one row', async () => {
  const ids = fc.constantFrom('a', 'b', 'c')
  const mutations = fc.oneof(
    ids.map(rename),
    fc.tuple(ids, ids).map(([id, threadId]) => append(id, threadId)),
    ids.map(edit),
  )
  const batches = fc.array(fc.tuple(fc.array(mutations, { minLength: 1, maxLength: 3 }), fc.nat(4)))
  await fc.assert(
    fc.asyncProperty(batches, async (script) => {
      const order = createWriteOrder()
      const running = new Map<number, string[]>()
      const sent: number[] = []
      const send = async (index: number, rows: string[], turns: number) => {
        for (const others of running.values()) {
          expect(rows.filter((row) => others.includes(row))).toEqual([])
        }
        running.set(index, rows)
        sent.push(index)
        for (let turn = 0; turn < turns; turn++) await Promise.resolve()
        running.delete(index)
      }
      await Promise.all(
        script.map(([batch, turns], index) =>
          order.run(batch, () => send(index, batch.flatMap(rowsOf), turns)),
        ),
      )
      for (const row of ['chatThreads/a', 'chatMessages/a', 'chatMessages/b']) {
        const own = sent.filter((index) => script[index]?.[0].flatMap(rowsOf).includes(row))
        expect(own).toEqual([...own].sort((a, b) => a - b))
      }
      expect(sent).toHaveLength(script.length)
    }),
  )
})

function rowsOf(mutation: MutationInput): string[] {
  if (mutation.type !== 'insert') return [`${mutation.collection}/${mutation.id}`]
  const own = `${mutation.collection}/${mutation.value.id}`
  return 'threadId' in mutation.value ? [own, `chatThreads/${mutation.value.threadId}`] : [own]
}
