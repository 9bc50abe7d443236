export { type AuditEntry, type AuditOptions, listAudit } from './audit.ts'
export { type DoctorOptions, runDoctor } from './doctor/run-doctor.ts'
export type { ElectricSetupOptions, SetupNames } from './electric-setup/names.ts'
export {
  applyElectricSetup,
  type ElectricSetup,
  planElectricSetup,
} from './electric-setup/setup-electric.ts'
export type { SetupStep } from './electric-setup/setup-steps.ts'
export type { Finding } from './finding.ts'
export { createHealthHandler, type HealthHandlerOptions, type Readiness } from './health.ts'
export { type EraseOptions, type Erasure, eraseUser } from './retention/erase-user.ts'
export type { RetentionPolicy } from './retention/retention-policy.ts'
export {
  type RetentionOptions,
  type RetentionProgress,
  type RetentionResult,
  type RetentionScheduleOptions,
  runRetention,
  scheduleRetention,
} from './retention/run-retention.ts'
