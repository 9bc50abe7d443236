import { Pool } from 'pg'
import { expect, test } from 'vitest'
import {
  createHealthHandler,
  migrate,
  planElectricSetup,
  runDoctor,
  runRetention,
  scheduleRetention,
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

  const policy = { default: '90d', tenants: { legal: 'keep' } }
  const stopRetention = scheduleRetention({ database: pool, policy })
  await stopRetention()
  const { deletedSessions } = await runRetention({ database: pool, policy })
  expect(deletedSessions).toBe(0)
  await pool.end()
  await testDatabase.drop()
})
