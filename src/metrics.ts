/** The entry `@org/session-db/metrics`: numbers for Prometheus, spans for OpenTelemetry. */
export {
  createMetrics,
  type ImportProgress,
  type Metrics,
  type MetricsOptions,
} from './ops/metrics/create-metrics.ts'
export type { ReplicationOptions } from './ops/metrics/replication-gauges.ts'
export type { UploadsOptions } from './ops/metrics/upload-gauges.ts'
