/** The entry `@org/session-db/metrics`: Prometheus metrics and OpenTelemetry spans. */
export { createMetrics, type Metrics, type MetricsOptions } from './ops/metrics/create-metrics.ts'
export type { ReplicationOptions, UploadsOptions } from './ops/metrics/gauges.ts'
