import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type * as Collections from '../../../src/collections/index.ts'
import type { WriteBatchInput, WriteOutcome } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { createHandDrivenShapes } from './support/hand-driven-shapes.ts'
import { ann } from './support/rows.ts'

// Each test is a page of its own, that has what sends writes when the test says so.
let arrive = () => {}
let fail = (_error: Error) => {}
let attempts = 0

beforeEach(() => {
  attempts = 0
  vi.resetModules()
  const arrived = new Promise<void>((resolve, reject) => {
    arrive = resolve
    fail = reject
  })
  arrived.catch(() => undefined)
  vi.doMock('../../../src/collections/sending.ts', async (original) => {
    attempts += 1
    await arrived
    return original()
  })
})
afterEach(() => {
  vi.doUnmock('../../../src/collections/sending.ts')
  vi.useRealTimers()
})

async function openPage(answered: Promise<void> = Promise.resolve()) {
  const { createSessionCollections }: typeof Collections = await import(
    '../../../src/collections/index.ts'
  )
  const shapes = createHandDrivenShapes()
  const sent: WriteBatchInput[] = []
  const onError = vi.fn()
  const db = createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    identity: ann,
    fetchClient: shapes.fetch,
    writeRetries: false,
    onError,
    writeAdapter: async (batch): Promise<WriteOutcome> => {
      sent.push(batch)
      await answered
      return { batchId: batch.id, txid: null, mutations: [] }
    },
  })
  onTestFinished(() => db.cleanup())
  await db.sessions.preload()
  return { db, sent, onError }
}

test('a write of before what sends is loaded shows at once, and is sent in its order when it is', async () => {
  let answer = () => {}
  const { db, sent } = await openPage(new Promise((resolve) => (answer = resolve)))
  await eventually(() => expect(attempts).toBe(1))
  const first = db.actions.createSession({ title: 'First', startedAt: '2026-01-01T00:00:00Z' })
  const second = db.actions.updateSession(first.id, { title: 'Second' })
  expect(db.sessions.get(first.id)).toMatchObject({
    title: 'Second',
    startedAt: new Date('2026-01-01T00:00:00Z'),
  })
  expect(sent).toEqual([])
  arrive()
  await eventually(() => expect(sent).toHaveLength(1))
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent).toHaveLength(1)
  answer()
  await Promise.all([first.committed, second.committed])
  expect(sent.map(({ mutations }) => mutations[0]?.type)).toEqual(['insert', 'update'])
})

test('one that is no write is refused when that can be told, and never sent', async () => {
  const { db, sent, onError } = await openPage()
  const untitled = db.actions.createSession({ title: '' })
  const nothing = db.actions.write([null as never])
  const unknown = db.actions.write([{ collection: 'users', type: 'insert' } as never])
  arrive()
  for (const { committed } of [untitled, nothing, unknown]) {
    await expect(committed).rejects.toMatchObject({ code: 'invalid' })
  }
  expect(db.sessions.size).toBe(0)
  expect(sent).toEqual([])
  expect(onError).toHaveBeenCalledTimes(3)
})

test('when it cannot be loaded the write fails visibly, and its row goes', async () => {
  const { db, sent, onError } = await openPage()
  const write = db.actions.createSession({ title: 'Lost' })
  expect(db.sessions.has(write.id)).toBe(true)
  fail(new TypeError('Failed to fetch dynamically imported module'))
  await expect(write.committed).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('could not be loaded'),
  })
  expect(attempts).toBeGreaterThan(1)
  expect(db.sessions.has(write.id)).toBe(false)
  expect(sent).toEqual([])
  expect(onError).toHaveBeenCalledOnce()
})
