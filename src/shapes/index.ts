export {
  and,
  type Condition,
  equals,
  inRange,
  isIn,
  matches,
  or,
  toWhereClause,
  type WhereClause,
} from '../access/condition.ts'
export {
  type AnyShape,
  defineShape,
  type ParamFields,
  type ShapeDefinition,
  type ShapeOptions,
  type ShapeRegistry,
} from './define-shape.ts'
export { isRefusal, type ResolvedShape, resolveShape, type ShapeRefusal } from './resolve-shape.ts'
export { sessionShapes } from './session-shapes.ts'
