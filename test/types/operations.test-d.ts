import { createServer } from 'node:http'
import {
  type AuditEntry,
  applyElectricSetup,
  createShapeProxy,
  createShutdown,
  type ElectricSetup,
  type Erasure,
  eraseUser,
  type Finding,
  listAudit,
  planElectricSetup,
  type RetentionPolicy,
  type RetentionResult,
  rederiveSessions,
  runDoctor,
  runRetention,
  scheduleRetention,
} from '@org/session-db/server'
import type { Pool } from 'pg'
import { expectTypeOf, test } from 'vitest'

declare const database: Pool
declare const url: string | undefined
const policy: RetentionPolicy = { default: '90d', tenants: { acme: 'forever' } }

test('planElectricSetup and applyElectricSetup', () => {
  expectTypeOf(planElectricSetup({ database })).resolves.toEqualTypeOf<ElectricSetup>()
  expectTypeOf(applyElectricSetup({ database })).resolves.toEqualTypeOf<ElectricSetup>()
  // @ts-expect-error no such option
  planElectricSetup({ database, apply: true })
  // @ts-expect-error the database is missing
  applyElectricSetup({ electricRole: 'electric' })
})

test('createShutdown', () => {
  const server = createServer()
  const stop = [createShapeProxy({ electricUrl: '', authenticate: () => null })]
  expectTypeOf(createShutdown({ server, stop, close: [database] })).returns.resolves.toBeVoid()
  createShutdown({ server: async () => {} })
  // @ts-expect-error the server is missing
  createShutdown({ close: [database] })
  // @ts-expect-error a URL can't be stopped
  createShutdown({ server, stop: [url] })
})

test('listAudit and eraseUser', () => {
  expectTypeOf(listAudit({ database, tenantId: 'acme' })).resolves.toEqualTypeOf<AuditEntry[]>()
  expectTypeOf(
    eraseUser({ database, tenantId: 'acme', userId: 'ann' }),
  ).resolves.toEqualTypeOf<Erasure>()
  // @ts-expect-error the tenant is missing
  listAudit({ database })
  // @ts-expect-error the user is missing
  eraseUser({ database, tenantId: 'acme' })
})

test('runDoctor', () => {
  expectTypeOf(runDoctor({ database: url, electricUrl: url })).resolves.toEqualTypeOf<Finding[]>()
  // @ts-expect-error the doctor opens its own connections, from a URL
  runDoctor({ database })
})

test('rederiveSessions', () => {
  expectTypeOf(rederiveSessions({ database, tenantId: 'acme' })).resolves.toEqualTypeOf<{
    sessions: number
  }>()
  // @ts-expect-error it needs a database
  rederiveSessions({ tenantId: 'acme' })
})

test('runRetention and scheduleRetention', () => {
  expectTypeOf(
    runRetention({ database, policy, dryRun: true }),
  ).resolves.toEqualTypeOf<RetentionResult>()
  expectTypeOf(scheduleRetention({ database, policy, every: '1h' })).returns.resolves.toBeVoid()
  // @ts-expect-error the policy is missing
  runRetention({ database })
  // @ts-expect-error the default is missing
  runRetention({ database, policy: { tenants: { acme: '90d' } } })
  // @ts-expect-error a scheduled run deletes
  scheduleRetention({ database, policy, dryRun: true })
})
