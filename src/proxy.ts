/**
 * The entry `@org/session-db/proxy`: the shape proxy and what an app's own shapes are made of. It
 * needs no Node and no database driver, so it runs on Bun, Deno and workers as well.
 */
export { type ErrorCode, SessionDbError } from './errors.ts'
export {
  type ColumnDefinition,
  type ColumnMap,
  type ColumnType,
  column,
} from './schema/columns.ts'
export type { Principal } from './schema/principal.ts'
export type { Authenticate } from './server/http/authenticate.ts'
export type { RequestLimit } from './server/http/limiter.ts'
export type { ShapeLogEntry, ShapeLogger } from './server/proxy/access-log.ts'
export type { Fingerprint } from './server/proxy/principal-digest.ts'
export {
  createShapeProxy,
  type ShapeHandler,
  type ShapeProxyOptions,
} from './server/proxy/shape-proxy.ts'
export type { Upstream } from './server/proxy/upstream.ts'
export * from './shapes/index.ts'
