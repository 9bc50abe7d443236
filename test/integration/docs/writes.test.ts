import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSessionStore, createWriteHandler } from '../../../src/server/index.ts'
import { createAccess, where } from '../../../src/shapes/index.ts'
import {
  createHttpWriteAdapter,
  type WriteBatchInput,
  withRetries,
} from '../../../src/writes/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { serve } from '../../unit/proxy/serve.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
  process.env.DATABASE_URL = database.url
})
afterAll(() => database.drop())

test('docs/writes.md: on the server', async () => {
  const store = createSessionStore({ database: process.env.DATABASE_URL ?? '' })
  const ada = { tenantId: 'acme', userId: 'ada' }

  const result = await store.write(ada, {
    id: 'batch-1',
    mutations: [
      { collection: 'sessions', type: 'insert', value: { id: 's1', title: 'Fix the login' } },
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: 't1', sessionId: 's1', mode: 'session', title: 'Why does it fail?' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm1', threadId: 't1', role: 'user', content: 'It says 401.' },
      },
    ],
  })
  expect(result).toMatchObject({ batchId: 'batch-1', txid: expect.any(Number) })

  const rename = {
    collection: 'sessions',
    type: 'update',
    id: 's1',
    changes: { title: 'Fix the sign-in' },
    expectedVersion: 1,
  } as const
  await store.write(ada, { id: 'batch-2', mutations: [rename] })
  const late = store.write(ada, { id: 'batch-3', mutations: [rename] })
  const refusal = await late.catch(({ code, details }) => ({ code, details })) // 'conflict', { currentVersion: 2 }
  expect(refusal).toMatchObject({ code: 'conflict', details: { currentVersion: 2 } })

  const batch = {
    id: 'batch-4',
    mutations: [
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm2', threadId: 't1', role: 'user', content: 'Still there?' },
      },
    ],
  }
  const answers = await Promise.all([1, 2, 3].map(() => store.write(ada, batch)))
  const txids = new Set(answers.map(({ txid }) => txid))
  expect(txids.size).toBe(1)

  const readOnlyThreads = createSessionStore({
    database: process.env.DATABASE_URL ?? '',
    access: createAccess({ writes: { chatThreads: { delete: () => where.or() } } }),
  })
  const remove = { collection: 'chatThreads', type: 'delete', id: 't1' }
  const forbidden = readOnlyThreads.write(ada, { id: 'batch-5', mutations: [remove] })
  await expect(forbidden).rejects.toMatchObject({ code: 'forbidden' })
  await readOnlyThreads.close()

  const pooled = createSessionStore({ database: process.env.DATABASE_URL ?? '', prepare: false })
  const renamed = { ...rename, expectedVersion: 2 }
  const { txid } = await pooled.write(ada, { id: 'batch-6', mutations: [renamed] })
  expect(txid).toEqual(expect.any(Number))
  await pooled.close()
  await store.close()
})

test('docs/writes.md: in the browser', async () => {
  const store = createSessionStore({ database: process.env.DATABASE_URL ?? '' })
  const handle = createWriteHandler({
    store,
    authenticate: (request) =>
      request.headers.get('authorization') === 'Bearer new'
        ? { tenantId: 'acme', userId: 'bob' }
        : null,
  })
  const { url, close } = await serve(handle)
  const batch: WriteBatchInput = {
    id: 'from-the-browser',
    mutations: [{ collection: 'sessions', type: 'insert', value: { id: 's2', title: 'Mine' } }],
  }

  const writeAdapter = createHttpWriteAdapter({
    url,
    headers: { authorization: 'Bearer old' },
    timeoutMs: 10_000,
    onUnauthenticated: async () => ({ authorization: 'Bearer new' }),
  })
  const patient = withRetries(writeAdapter, { attempts: 6 })
  const controller = new AbortController()
  await patient(batch, { signal: controller.signal })

  await expect(patient(batch)).resolves.toMatchObject({ batchId: 'from-the-browser' })
  await close()
  await store.close()
})
