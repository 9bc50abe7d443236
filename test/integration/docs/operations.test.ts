import { once } from 'node:events'
import { createServer } from 'node:http'
import { Pool } from 'pg'
import { expect, test } from 'vitest'
import {
  createHealthHandler,
  createSessionStore,
  createShapeProxy,
  createShutdown,
  migrate,
  planElectricSetup,
  runDoctor,
  runRetention,
  scheduleRetention,
  watchAbandonedMessages,
} from '../../../src/server.ts'
import { freshDatabase } from '../../support/database.ts'

test('docs/operations.md', async () => {
  const testDatabase = await freshDatabase()
  await migrate({ database: testDatabase.url })
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
