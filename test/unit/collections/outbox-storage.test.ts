import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type NewRecord,
  openOutboxStorage,
} from '../../../src/collections/outbox/outbox-storage.ts'

function open() {
  const storage = openOutboxStorage(randomUUID())
  const transactions = vi.spyOn(IDBDatabase.prototype, 'transaction')
  onTestFinished(async () => {
    transactions.mockRestore()
    await storage.clear()
  })
  return { storage, transactions: () => transactions.mock.calls.length }
}

const record = (id: string, title: unknown = 'T'): NewRecord => ({
  batch: {
    id,
    mutations: [{ collection: 'sessions', type: 'insert', value: { id, title: title as string } }],
  },
  sessionOfThread: {},
  addedAt: new Date(),
})

describe('writes of one turn', () => {
  test('are stored in one transaction, in order', async () => {
    const { storage, transactions } = open()
    await storage.all()
    const before = transactions()
    const ids = Array.from({ length: 500 }, (_, n) => `b${n}`)
    await Promise.all(ids.map((id) => storage.add(record(id))))
    expect(transactions() - before).toBe(1)
    expect((await storage.all()).map(({ batch }) => batch.id)).toEqual(ids)
  })

  test('are stored without the one that cannot be stored', async () => {
    const { storage } = open()
    const writes = [record('b1'), record('b2', () => 'no text'), record('b3')]
    const outcomes = await Promise.allSettled(writes.map((write) => storage.add(write)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await storage.all()).map(({ batch }) => batch.id)).toEqual(['b1', 'b3'])
  })
})
