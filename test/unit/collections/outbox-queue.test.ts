import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { type AnsweredWrite, drain } from '../../../src/collections/outbox/outbox-queue.ts'
import {
  type NewRecord,
  type OutboxStorage,
  openOutboxStorage,
} from '../../../src/collections/outbox/outbox-storage.ts'
import { createWakeUp } from '../../../src/collections/outbox/wake-up.ts'
import { SessionDbError } from '../../../src/errors.ts'
import type { WriteBatchInput, WriteResult } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { cases, fc } from '../../support/property.ts'

function open(): OutboxStorage {
  const storage = openOutboxStorage(randomUUID())
  onTestFinished(() => storage.clear())
  return storage
}

/** A write of this row, perhaps several times: so few writes fill a batch. */
const record = (id: string, times = 1): NewRecord => ({
  batch: {
    id,
    mutations: Array.from({ length: times }, () => {
      return { collection: 'sessions' as const, type: 'delete' as const, id }
    }),
  },
  sessionOfThread: {},
  addedAt: new Date(),
})

const rowsOf = ({ mutations }: WriteBatchInput) =>
  mutations.map((mutation) => ('id' in mutation ? mutation.id : ''))

function resultOf(batch: WriteBatchInput): WriteResult {
  const mutations = rowsOf(batch).map((id) => {
    return { collection: 'sessions' as const, type: 'delete' as const, id, version: null }
  })
  return { batchId: batch.id, txid: 1, mutations }
}

/** Drains until the test is over, or stopped. */
function start(storage: OutboxStorage, write: (batch: WriteBatchInput) => Promise<WriteResult>) {
  const end = new AbortController()
  const wakeUp = createWakeUp(0)
  const answered: AnsweredWrite[] = []
  const running = drain({
    storage,
    signal: end.signal,
    write,
    onAnswers: (answers) => answered.push(...answers),
    onWaiting: () => wakeUp.now(),
    woken: (ms) => wakeUp.wait(ms, end.signal),
  })
  onTestFinished(() => end.abort())
  return {
    answered,
    wake: wakeUp.now,
    async stop() {
      end.abort()
      await running
    },
  }
}

test('sends the next batch as soon as a full one is answered, before that is deleted from the device', async () => {
  const storage = open()
  const ids = Array.from({ length: 1_200 }, (_, n) => `r${n}`)
  await Promise.all(ids.map((id) => storage.add(record(id))))
  let takeOff = () => {}
  const mayTakeOff = new Promise<void>((resolve) => {
    takeOff = resolve
  })
  const slow: OutboxStorage = {
    ...storage,
    delete: (records) => mayTakeOff.then(() => storage.delete(records)),
  }
  const sent: string[][] = []
  const { answered } = start(slow, async (batch) => {
    sent.push(rowsOf(batch))
    return resultOf(batch)
  })
  await eventually(() => expect(sent).toHaveLength(2))
  expect(answered).toEqual([])
  takeOff()
  await eventually(() => expect(answered).toHaveLength(1_200))
  expect(sent.map(({ length }) => length)).toEqual([500, 500, 200])
  expect(sent.flat()).toEqual(ids)
  expect(await storage.all()).toEqual([])
})

test('sends an answered batch that was not deleted from the device again as the same batch', async () => {
  const storage = open()
  const ids = Array.from({ length: 700 }, (_, n) => `r${n}`)
  await Promise.all(ids.map((id) => storage.add(record(id))))
  const sent: WriteBatchInput[] = []
  const write = async (batch: WriteBatchInput) => {
    sent.push(batch)
    return resultOf(batch)
  }
  const closed: OutboxStorage = { ...storage, delete: () => new Promise(() => {}) }
  start(closed, write)
  await eventually(() => expect(sent).toHaveLength(2))
  const { answered } = start(storage, write)
  await eventually(() => expect(answered).toHaveLength(700))
  expect(sent.slice(2)).toEqual(sent.slice(0, 2))
})

test('sends a batch that cannot be deleted from the device again as the same batch, and reports it once', async () => {
  const storage = open()
  await storage.add(record('r'))
  let failures = 2
  const failing: OutboxStorage = {
    ...storage,
    delete: (records) =>
      failures-- > 0 ? Promise.reject(new Error('full')) : storage.delete(records),
  }
  const sent: WriteBatchInput[] = []
  const { answered, wake } = start(failing, async (batch) => {
    sent.push(batch)
    return resultOf(batch)
  })
  await eventually(() => {
    wake()
    expect(answered).toHaveLength(1)
  })
  expect(sent.map(({ id }) => id)).toEqual(['r', 'r', 'r'])
  expect(await storage.all()).toEqual([])
})

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 2, arbitrary: fc.constant({ network: true }) },
    { weight: 2, arbitrary: fc.constant({ network: false }) },
    { weight: 1, arbitrary: fc.constant({ answers: false }) },
    { weight: 1, arbitrary: fc.constant({ restart: true }) },
  ),
  { maxLength: 12 },
)

test('applies each write once and in order, or reports it as refused, whatever breaks', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 2, max: 30 }), async (script, every) => {
      const storage = openOutboxStorage(randomUUID())
      const isRefused = (id: string) => Number(id) % every === 1
      const batches = new Map<string, string>()
      const applied: string[] = []
      let [network, answers, added] = [false, true, 0]
      const write = async (batch: WriteBatchInput): Promise<WriteResult> => {
        await Promise.resolve()
        if (!network) throw new TypeError('Failed to fetch')
        const content = JSON.stringify(batch.mutations)
        const earlier = batches.get(batch.id)
        if (earlier !== undefined) expect(content).toBe(earlier)
        else if (rowsOf(batch).some(isRefused)) throw new SessionDbError('conflict', 'no')
        else {
          batches.set(batch.id, content)
          applied.push(...new Set(rowsOf(batch)))
        }
        if (answers) return resultOf(batch)
        answers = true
        throw new SessionDbError('unavailable', 'lost')
      }
      const runs = [start(storage, write)]
      for (const step of script) {
        if ('add' in step) {
          const more = Array.from({ length: step.add }, () => String(added++))
          await Promise.all(more.map((id) => storage.add(record(id, 110))))
        }
        if ('network' in step) network = step.network
        if ('answers' in step) answers = false
        if ('restart' in step) {
          await runs.at(-1)?.stop()
          runs.push(start(storage, write))
        }
        runs.at(-1)?.wake()
        await storage.count()
      }
      network = true
      await eventually(async () => {
        runs.at(-1)?.wake()
        expect((await storage.count()).waiting).toBe(0)
      }, 5)
      await runs.at(-1)?.stop()
      const ids = Array.from({ length: added }, (_, n) => String(n))
      expect(applied).toEqual(ids.filter((id) => !isRefused(id)))
      const refused = ids.filter(isRefused)
      const left = (await storage.all()).map(({ batch, failure }) => [batch.id, failure?.code])
      expect(left).toEqual(refused.map((id) => [id, 'conflict']))
      // Each is told once, too.
      const told = runs.flatMap(({ answered }) => answered)
      const isFailure = ({ answer }: AnsweredWrite) => 'failure' in answer
      const idsOf = (writes: AnsweredWrite[]) => writes.map((write) => write.record.batch.id)
      expect(idsOf(told.filter(isFailure))).toEqual(refused)
      expect(idsOf(told.filter((write) => !isFailure(write)))).toEqual(applied)
      await storage.clear()
    }),
    { numRuns: cases(30, 500) },
  )
})
