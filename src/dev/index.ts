export { type DevStack, type DevStackOptions, startDevStack } from './dev-stack.ts'
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './postgres/embedded-postgres.ts'
export {
  createShapeServer,
  type ShapeServer,
  type ShapeServerEvent,
  type ShapeServerOptions,
} from './shape-server/index.ts'
