import { once } from 'node:events'
import { createServer } from 'node:http'
import { Pool } from 'pg'
import { expect, test } from 'vitest'
import {
  createHealthHandler,
  createSessionStore,
  createShapeProxy,
  createShutdown,
  eraseUser,
  listAudit,
  type Principal,
  planElectricSetup,
  routeStores,
  runDoctor,
  runRetention,
  scheduleRetention,
  watchAbandonedMessages,
} from '../../../src/server.ts'
import { migratedDatabase } from '../../support/database.ts'

test('docs/operations.md', async () => {
  const testDatabase = await migratedDatabase()
  const pool = new Pool({ connectionString: testDatabase.url })
  const electricUrl = 'http://127.0.0.1:9'

  const serveHealth = createHealthHandler({ database: pool, electricUrl })
  const ready = await serveHealth(new Request('http://app.test/health/ready'))
  expect(await ready.json()).toMatchObject({ status: 'degraded' })

  async function deploymentProblems(database: string): Promise<string[]> {
    const { steps } = await planElectricSetup({ database })
    const findings = await runDoctor({ database, electricUrl })
    const errors = findings.filter(({ level }) => level === 'error')
    return [...steps.map(({ sql }) => sql), ...errors.map(({ message }) => message)]
  }
  const problems = await deploymentProblems(testDatabase.url)
  expect(problems).toContainEqual(expect.stringMatching(/^CREATE PUBLICATION/))
  expect(problems).toContainEqual(expect.stringContaining('no answer from 127.0.0.1:9'))

  const store = createSessionStore({ database: testDatabase.url })
  const serveShape = createShapeProxy({ electricUrl, authenticate: () => null })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')

  const authenticate = () => ({ tenantId: 'us-acme', userId: 'ann' })
  const stack = { database: testDatabase.url, electricUrl, secret: 'hush' }
  const urls = { eu: { ...stack, database: 'postgres://127.0.0.1:9/none' }, us: stack }

  function stackOf({ tenantId }: Principal) {
    return tenantId.startsWith('us-') ? 'us' : 'eu'
  }

  const routedStore = routeStores({
    stores: {
      eu: createSessionStore({ database: urls.eu.database }),
      us: createSessionStore({ database: urls.us.database }),
    },
    storeOf: stackOf,
  })
  const serveRouted = createShapeProxy({
    electricUrl: (principal) => urls[stackOf(principal)],
    authenticate,
  })
  expect((await routedStore.listSessions(authenticate())).sessions).toEqual([])
  expect((await serveRouted(new Request('http://app.test/shapes/none'))).status).toBe(404)
  await routedStore.close()

  function auditOf({ tenantId }: Principal, sessionId?: string) {
    return listAudit({ database: pool, tenantId, sessionId, limit: 50 })
  }

  function eraseAccount({ tenantId, userId }: Principal) {
    return eraseUser({ database: pool, tenantId, userId })
  }
  await eraseAccount(authenticate())
  expect(await auditOf(authenticate())).toMatchObject([{ action: 'erase', userId: null }])

  const policy = { default: '90d', tenants: { legal: 'keep' } }
  const stopRetention = scheduleRetention({ database: pool, policy })
  await stopRetention()
  const { deletedSessions } = await runRetention({ database: pool, policy })
  expect(deletedSessions).toBe(0)

  const worker = store.startWorker()
  const watch = watchAbandonedMessages({ database: pool })
  const shutdown = createShutdown({
    server,
    stop: [serveShape, worker, watch],
    close: [store, pool],
  })
  process.once('SIGTERM', shutdown)
  process.off('SIGTERM', shutdown)
  await shutdown()
  expect(server.listening).toBe(false)
  expect(pool.ended).toBe(true)
  await testDatabase.drop()
})
