export {
  type AccessOptions,
  createAccess,
  type SessionAccess,
  type SqlCondition,
  type WriteRule,
} from '../access/access.ts'
export type { Condition } from '../access/condition.ts'
export { createLinkToken, type LinkToken, linkGrantees } from '../access/link.ts'
export * as where from '../access/where.ts'
export {
  type AnyShape,
  defineShape,
  type ParamFields,
  type ShapeDefinition,
  type ShapeOptions,
  type ShapeRegistry,
} from './define-shape.ts'
export { createSessionShapes, sessionShapes } from './session-shapes.ts'
export type { ShapeRows } from './shape-rows.ts'
