export { type DevStack, type DevStackOptions, startDevStack } from './dev-stack.ts'
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres/index.ts'
