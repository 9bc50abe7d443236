import { createLiveQueryCollection } from '@tanstack/db'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createHttpWriteAdapter, createSessionCollections } from '../../../src/index.ts'
import {
  type Authenticate,
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
} from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { type Backend, startBackend } from './backend.ts'

let backend: Backend

beforeAll(async () => {
  backend = await startBackend()
})
afterAll(() => backend.close())

test('README.md', async () => {
  vi.stubEnv('DATABASE_URL', backend.databaseUrl)
  vi.stubEnv('ELECTRIC_URL', backend.engineUrl)
  const principalOf = (_request: Request) => ({ tenantId: 'acme', userId: 'ann' })

  const store = createSessionStore({ database: process.env.DATABASE_URL ?? '' })
  const authenticate: Authenticate = (request) => principalOf(request)

  const serveWrite = createWriteHandler({ store, authenticate })
  const serveShape = createShapeProxy({ electricUrl: process.env.ELECTRIC_URL ?? '', authenticate })

  const app = await serve((request) =>
    new URL(request.url).pathname === '/api/write' ? serveWrite(request) : serveShape(request),
  )
  const api = `${app.url}/api`

  const db = createSessionCollections({
    electricUrl: `${api}/shapes`,
    writeAdapter: createHttpWriteAdapter({ url: `${api}/write` }),
  })
  const { id: sessionId } = db.actions.createSession({ title: 'Fix the login' })
  const { id: threadId } = db.actions.createThread({ sessionId, mode: 'session', title: 'Review' })
  const { messages } = db.thread({ id: threadId, sessionId })
  messages.insert({ role: 'user', content: 'What changed here?' })

  const inOrder = createLiveQueryCollection((q) =>
    q.from({ m: messages }).orderBy(({ m }) => m.position),
  )

  await inOrder.preload()
  await eventually(() => expect(inOrder.toArray[0]?.content).toBe('What changed here?'))
  const [message] = inOrder.toArray
  await eventually(async () =>
    expect(await store.readMessage(principalOf(new Request(api)), message?.id ?? '')).toBeDefined(),
  )
  await inOrder.cleanup()
  await db.cleanup()
  await app.close()
  await store.close()
  vi.unstubAllEnvs()
})
