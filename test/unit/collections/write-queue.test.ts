import { describe, expect, test } from 'vitest'
import {
  createWriteQueue,
  type WriteQueueSenders,
} from '../../../src/collections/actions/write-queue.ts'
import { SessionDbError } from '../../../src/errors.ts'
import type { MutationInput, WriteBatchInput, WriteResult } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'

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
const batchOf = (id: string, ...mutations: MutationInput[]): WriteBatchInput => ({ id, mutations })
const resultOf = ({ id }: WriteBatchInput): WriteResult => ({
  batchId: id,
  txid: null,
  mutations: [],
})

/** A server that the test lets answer; requests are noted as lists of batch ids. */
function createServer(
  refuses: (batch: WriteBatchInput) => SessionDbError | undefined = () => undefined,
) {
  const requests: string[][] = []
  let answer = () => {}
  let isHeld = true
  const answered = new Promise<void>((resolve) => {
    answer = () => {
      isHeld = false
      resolve()
    }
  })
  const outcomeOf = (batch: WriteBatchInput) => refuses(batch) ?? resultOf(batch)
  const senders = {
    async send(batch: WriteBatchInput) {
      requests.push([batch.id])
      if (isHeld) await answered
      const outcome = outcomeOf(batch)
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    async sendAll(batches: readonly WriteBatchInput[]) {
      requests.push(batches.map(({ id }) => id))
      return batches.map(outcomeOf)
    },
  } satisfies WriteQueueSenders
  return { requests, senders, answer: () => answer() }
}

test('sends the first write of a row immediately and the next after its answer, failed or not', async () => {
  const failure = new SessionDbError('unavailable', 'offline')
  const { requests, senders, answer } = createServer(({ id }) =>
    id === 'first' ? failure : undefined,
  )
  const queue = createWriteQueue(senders)
  const first = queue.submit(batchOf('first', rename('t1')))
  const second = queue.submit(batchOf('second', append('m1', 't1')))
  const other = queue.submit(batchOf('other', rename('t2')))
  expect(requests).toEqual([['first'], ['other']])
  answer()
  await expect(first).rejects.toBe(failure)
  await Promise.all([second, other])
  expect(requests).toEqual([['first'], ['other'], ['second']])
})

describe('a burst', () => {
  const burst = (queue: ReturnType<typeof createWriteQueue>, count: number) =>
    Array.from({ length: count }, (_, n) => queue.submit(batchOf(`b${n}`, append(`m${n}`, 't1'))))

  test('of 500 writes to one thread takes two requests, in order', async () => {
    const { requests, senders, answer } = createServer()
    const writes = burst(createWriteQueue(senders), 500)
    expect(requests).toEqual([['b0']])
    answer()
    const results = await Promise.all(writes)
    expect(results.map(({ batchId }) => batchId)).toEqual(results.map((_, n) => `b${n}`))
    expect(requests).toHaveLength(2)
    expect(requests.flat()).toEqual(results.map((_, n) => `b${n}`))
  })

  test('stays below 500 mutations and 1,000,000 characters per request', async () => {
    const { requests, senders, answer } = createServer()
    const queue = createWriteQueue(senders)
    const large = { ...append('m', 't1'), value: { id: 'm', threadId: 't1', role: 'user' } }
    const writes = [
      queue.submit(batchOf('b0', rename('t1'))),
      ...burst(queue, 600),
      ...['x', 'y'].map((id) => {
        const value = { ...large.value, content: id.repeat(700_000) }
        return queue.submit(batchOf(id, { ...large, value } as MutationInput))
      }),
    ]
    answer()
    await Promise.all(writes)
    expect(requests.map((ids) => ids.length)).toEqual([1, 500, 101, 1])
  })

  test('answers each batch its own result or refusal', async () => {
    const refusal = new SessionDbError('forbidden', 'no')
    const { senders, answer } = createServer(({ id }) => (id === 'b2' ? refusal : undefined))
    const writes = burst(createWriteQueue(senders), 4)
    answer()
    const outcomes = await Promise.allSettled(writes)
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(outcomes[2]).toMatchObject({ reason: refusal })
  })

  test('goes on one by one from a batch that the server refuses for the time being', async () => {
    let limited = 1
    const { requests, senders, answer } = createServer(({ id }) =>
      id === 'b2' && limited-- > 0 ? new SessionDbError('rate_limited', 'later') : undefined,
    )
    const writes = burst(createWriteQueue(senders), 4)
    answer()
    await Promise.all(writes)
    expect(requests).toEqual([['b0'], ['b1', 'b2', 'b3'], ['b2'], ['b3']])
  })

  test('goes one by one where the adapter or the server takes a single batch only', async () => {
    for (const old of ['adapter', 'server']) {
      const { requests, senders, answer } = createServer()
      const refuse = async () => {
        throw new SessionDbError('invalid', 'The batch: Expected an object')
      }
      const queue = createWriteQueue({
        send: senders.send,
        ...(old === 'server' && { sendAll: refuse }),
      })
      const writes = burst(queue, 4)
      answer()
      await Promise.all(writes)
      await Promise.all(burst(queue, 2))
      expect(requests).toEqual([['b0'], ['b1'], ['b2'], ['b3'], ['b0'], ['b1']])
    }
  })
})

test('sends all writes, in order and never overlapping for one row, whatever fails', async () => {
  const ids = fc.constantFrom('a', 'b', 'c')
  const mutations = fc.oneof(
    ids.map(rename),
    fc.tuple(ids, ids).map(([id, threadId]) => append(id, threadId)),
    ids.map(edit),
  )
  const batches = fc.array(fc.tuple(fc.array(mutations, { minLength: 1, maxLength: 3 }), fc.nat(4)))
  const luck = fc.infiniteStream(fc.constantFrom('ok', 'ok', 'ok', 'broken', 'refused'))
  const property = fc.asyncProperty(
    batches,
    fc.boolean(),
    luck,
    async (script, isGrouping, lots) => {
      const running = new Set<string>()
      const applied: number[] = []
      const turnsOf = ({ id }: WriteBatchInput) => script[Number(id)]?.[1] ?? 0
      async function request<Answer>(
        sent: readonly WriteBatchInput[],
        answer: () => Answer,
      ): Promise<Answer> {
        const rows = new Set(sent.flatMap((batch) => batch.mutations.flatMap(rowsOf)))
        expect([...rows].filter((row) => running.has(row))).toEqual([])
        for (const row of rows) running.add(row)
        for (let turn = 0; turn < Math.max(...sent.map(turnsOf)); turn++) await Promise.resolve()
        for (const row of rows) running.delete(row)
        return answer()
      }
      const apply = (batch: WriteBatchInput) => {
        // A retried batch is applied once.
        if (!applied.includes(Number(batch.id))) applied.push(Number(batch.id))
        return resultOf(batch)
      }
      const queue = createWriteQueue({
        send: (batch) => request([batch], () => apply(batch)),
        ...(isGrouping && {
          sendAll: (sent) =>
            request(sent, () => {
              const lot = lots.next().value
              if (lot === 'broken') throw new SessionDbError('unavailable', 'broken')
              const failed = lot === 'refused' ? Math.floor(sent.length / 2) : sent.length
              return sent.map((batch, index) =>
                index < failed ? apply(batch) : new SessionDbError('unavailable', 'later'),
              )
            }),
        }),
      })
      await Promise.all(
        script.map(([mutations], index) => queue.submit(batchOf(String(index), ...mutations))),
      )
      for (const row of ['chatThreads/a', 'chatMessages/a', 'chatMessages/b']) {
        const own = applied.filter((index) => script[index]?.[0].flatMap(rowsOf).includes(row))
        expect(own).toEqual([...own].sort((a, b) => a - b))
      }
      expect(applied).toHaveLength(script.length)
    },
  )
  await fc.assert(property, { numRuns: cases(200, 2_000) })
})

function rowsOf(mutation: MutationInput): string[] {
  if (mutation.type !== 'insert') return [`${mutation.collection}/${mutation.id}`]
  const own = `${mutation.collection}/${mutation.value.id}`
  return 'threadId' in mutation.value ? [own, `chatThreads/${mutation.value.threadId}`] : [own]
}
