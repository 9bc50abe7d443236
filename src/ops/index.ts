export { type FindingStyle, formatFinding, summarizeFindings } from './doctor/format-findings.ts'
export { type DoctorOptions, runDoctor } from './doctor/run-doctor.ts'
export type { SetupStep, SetupTopic } from './electric-setup/plan-electric-setup.ts'
export { applySetup, type ElectricSetup, planSetup } from './electric-setup/setup-electric.ts'
export type { ElectricSetupOptions } from './electric-setup/setup-options.ts'
export type { Finding, FindingLevel } from './finding.ts'
export {
  createHealthHandler,
  type HealthHandlerOptions,
  type Readiness,
} from './health/health-handler.ts'
export type { HealthCheck, ReadinessOptions } from './health/readiness.ts'
export type { DueCount } from './retention/due-sessions.ts'
export {
  type KeepFor,
  parseRetentionPolicy,
  type RetentionPolicy,
} from './retention/retention-policy.ts'
export {
  type RetentionOptions,
  type RetentionProgress,
  type RetentionResult,
  runRetention,
} from './retention/run-retention.ts'
export {
  type RetentionScheduleOptions,
  scheduleRetention,
} from './retention/schedule-retention.ts'
