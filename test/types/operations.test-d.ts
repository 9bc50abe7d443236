import {
  applySetup,
  type ElectricSetup,
  type Finding,
  formatFinding,
  parseRetentionPolicy,
  planSetup,
  type RetentionPolicy,
  type RetentionResult,
  runDoctor,
  runRetention,
  scheduleRetention,
  summarizeFindings,
} from '@org/session-db/server'
import type { Pool } from 'pg'
import { expectTypeOf, test } from 'vitest'

declare const database: Pool
declare const findings: readonly Finding[]
declare const url: string | undefined
const policy: RetentionPolicy = { default: '90d', tenants: { acme: 'forever' } }

test('planSetup and applySetup', () => {
  expectTypeOf(planSetup({ database })).resolves.toEqualTypeOf<ElectricSetup>()
  expectTypeOf(applySetup({ database })).resolves.toEqualTypeOf<ElectricSetup>()
  // @ts-expect-error no such option
  planSetup({ database, apply: true })
  // @ts-expect-error of which database?
  applySetup({ electricRole: 'electric' })
})

test('runDoctor, formatFinding and summarizeFindings', () => {
  expectTypeOf(runDoctor({ databaseUrl: url, electricUrl: url })).resolves.toEqualTypeOf<
    Finding[]
  >()
  expectTypeOf(formatFinding({ check: 'x', level: 'ok', message: 'fine' })).toEqualTypeOf<string>()
  expectTypeOf(summarizeFindings(findings)).toEqualTypeOf<string>()
  // @ts-expect-error the doctor connects by itself
  runDoctor({ database })
  // @ts-expect-error no such level
  formatFinding({ check: 'x', level: 'fatal', message: 'no' })
  // @ts-expect-error all of them
  summarizeFindings(findings[0])
})

test('runRetention, scheduleRetention and parseRetentionPolicy', () => {
  expectTypeOf(
    runRetention({ database, policy, dryRun: true }),
  ).resolves.toEqualTypeOf<RetentionResult>()
  expectTypeOf(scheduleRetention({ database, policy, every: '1h' })).returns.resolves.toBeVoid()
  expectTypeOf(parseRetentionPolicy).toEqualTypeOf<(input: unknown) => RetentionPolicy>()
  // @ts-expect-error what is kept, and for how long?
  runRetention({ database })
  // @ts-expect-error for how long do the others keep it?
  runRetention({ database, policy: { tenants: { acme: '90d' } } })
  // @ts-expect-error what is scheduled deletes
  scheduleRetention({ database, policy, dryRun: true })
})
